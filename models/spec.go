package models

// A Spec describes one model: its sizes, its two halves, the one key/value cache between them, and
// where its weights and tokenizer are. A model without a cross-decoder has no shared cache either:
// a plain Transformer is a self-decoder of layers with caches of their own. Load fills every default
// in, so a loaded Spec has no zero that means "the default", but for the width of heads.
type Spec struct {
	Name          string      // a Go package name: lower-case letters and digits
	Vocab         int         // tokens
	Dim           int         // width of the residual stream
	Context       int         // default context length in tokens; not a limit
	Norm          Norm        // which norm stands before mixers, feed-forward networks and the head
	NormEps       float64     // eps of every norm but the query norm
	TieEmbeddings bool        // the output projection is the embedding table
	EmbedScale    EmbedScale  // what embeddings are multiplied by
	Self          Stack       // the self-decoder
	Cache         *Cache      // the shared cache, written once a token; nil if there is none or if the self-decoder's last layer shares its own
	Cross         Stack       // the cross-decoder: layers that read the shared cache; empty if there is none
	Precision     []Precision // formats of matrices that do not have the model's own
	Checkpoint    Checkpoint  // where the trained tensors are, and under which names
	Tokenizer     string      // path of a tokenizer.json, resolved; empty if the spec names none

	src *source // where each value stands in the YAML text; nil if the spec was built in memory
}

// Norm is a kind of norm.
type Norm string

const (
	RMSNorm   Norm = "rms"   // x/rms(x), with a gain
	LayerNorm Norm = "layer" // (x-mean(x))/deviation(x), with a gain and a bias
)

// EmbedScale is what embeddings are multiplied by.
type EmbedScale string

const (
	SqrtDim EmbedScale = "sqrt-dim" // the square root of the stream's width
	NoScale EmbedScale = "none"
)

// FFN is a SwiGLU feed-forward network of width Hidden.
type FFN struct{ Hidden int }

// Cache is the shared cache and the projections that fill it; a head is as wide as those of the
// cross-decoder.
type Cache struct {
	KVHeads int
	Bias    bool  // on k and v
	Rope    *Rope // of the keys here and of the queries of every cross layer; nil for no positions
}

// Rope is a rotary position embedding over whole heads.
type Rope struct {
	Theta   float64
	Freq    Freq    // how frequencies are spaced
	Pairing Pairing // which two elements of a head form a pair
}

// Freq is how the n = d/2 rotary frequencies of a head of d elements are spaced.
type Freq string

const (
	FreqYOCO Freq = "yoco" // theta^(-i/(n-1)): both ends included; official checkpoints
	FreqFLA  Freq = "fla"  // theta^(-2i/d): the usual spacing
)

// Pairing is which elements of a head rotate together.
type Pairing string

const (
	Interleaved Pairing = "interleaved" // (x[2i], x[2i+1])
	HalfSplit   Pairing = "half-split"  // (x[i], x[i+d/2])
)

// Checkpoint says where the tensors are and whose names they carry.
type Checkpoint struct {
	Path  string  // a folder, resolved against the spec's own; empty if the spec names none
	Names Dialect // which name map reads it
}

// Dialect is a naming of tensors.
type Dialect string

const (
	Unilm Dialect = "unilm" // microsoft/unilm YOCO: params.json
	FLA   Dialect = "fla"   // flash-linear-attention: config.json of model_type yoco
	// HuggingFace is the transformers library's for Llama and models like it: config.json.
	HuggingFace Dialect = "huggingface"
	// Phi4Flash is that of Phi-4-mini-flash, of the family SambaY: config.json of model_type phi4flash.
	Phi4Flash Dialect = "phi4flash"
)

// Dialects are all of them.
var Dialects = []Dialect{Unilm, FLA, HuggingFace, Phi4Flash}
