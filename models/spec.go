package models

// A Spec describes one decoder-decoder model: its sizes, its two halves, the one key/value
// cache between them, and where its weights and tokenizer are. Load fills every default in, so
// a loaded Spec has no zero that means "the default".
type Spec struct {
	Name          string      // a Go package name: lower-case letters and digits
	Vocab         int         // tokens
	Dim           int         // width of the residual stream
	Context       int         // default context length in tokens; not a limit
	NormEps       float64     // eps of every RMSNorm but the query norm
	TieEmbeddings bool        // the output projection is the embedding table
	Self          Self        // the self-decoder: layers with a state of constant size
	Cache         Cache       // the global key/value cache, written once a token
	Cross         Cross       // the cross-decoder: layers that read the cache
	Precision     []Precision // formats of matrices that do not have the model's own
	Checkpoint    Checkpoint  // where the trained tensors are, and under which names
	Tokenizer     string      // path of a tokenizer.json, resolved; empty if the spec names none

	src *source // where each value stands in the YAML text; nil if the spec was built in memory
}

// Self is the self-decoder: Layers equal layers.
type Self struct {
	Layers int
	Mixer  Mixer
	FFN    FFN
}

// A Mixer is what a self-decoder layer does across tokens: *GatedRetention or *SlidingWindow.
type Mixer interface{ mixer() }

// GatedRetention is the mixer of the paper's section 3.2; every head is Dim/Heads wide.
type GatedRetention struct {
	Heads          int
	GateNormalizer float64 // the decay's logsigmoid is divided by it
	Rope           Rope
}

// SlidingWindow is causal attention to the last Window tokens, the token itself included;
// every head is Dim/Heads wide and KVHeads divides Heads.
type SlidingWindow struct {
	Heads, KVHeads int
	Window         int
	Bias           bool // on q, k and v
	Rope           Rope
}

func (*GatedRetention) mixer() {}
func (*SlidingWindow) mixer()  {}

// FFN is a SwiGLU feed-forward network of width Hidden.
type FFN struct{ Hidden int }

// Cache is the shared cache and the projections that fill it; a head is Dim/Cross.Heads wide.
type Cache struct {
	KVHeads int
	Bias    bool // on k and v
	Rope    Rope // of the keys here and of the queries of every cross layer
}

// Cross is the cross-decoder: Layers equal layers of Heads query heads.
type Cross struct {
	Layers int
	Heads  int
	Bias   bool // on q
	QNorm  bool // RMSNorm with a gain on every query head before its rotation; eps is always 1e-5
	FFN    FFN
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
	FLA   Dialect = "fla"   // flash-linear-attention and Hugging Face: config.json
)

// Role says which weight of the model a tensor is, in the paper's words and whatever the
// checkpoint calls it: "embed", "head", "final.norm", "self.norm", "self.q", "self.k",
// "self.v", "self.g" (retention output gate), "self.decay" (retention decay gate),
// "self.o", "self.q.bias", "self.k.bias", "self.v.bias", "self.ffn.norm", "self.ffn.gate"
// (under silu), "self.ffn.up" (the linear branch), "self.ffn.down", "cache.norm", "cache.k",
// "cache.v", "cache.k.bias", "cache.v.bias", "cross.norm", "cross.q", "cross.q.bias",
// "cross.q.norm", "cross.o", "cross.ffn.norm", "cross.ffn.gate", "cross.ffn.up",
// "cross.ffn.down". Roles under self. and cross. exist once a layer.
type Role string
