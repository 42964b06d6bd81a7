package models

import "slices"

// This file is the YAML form of a Spec as a table. Reading (decode.go), checking (check.go),
// writing (marshal.go) and schema.json (schema.go) walk it; a new key is a row here and, where
// it takes part in a rule between keys, a line in check.go.

// Bounds of sizes: generous for any model that exists, small enough that every product of them
// that is ever formed fits 62 bits. A whole model is held to maxParams besides.
const (
	maxWidth  = 1 << 20 // elements of one row: dim, FFN, heads
	maxVocab  = 1 << 24
	maxLayers = 4096
	maxTokens = 1 << 30
	maxParams = 1 << 40
)

// shape is what a key's value looks like in YAML.
type shape int

const (
	integer shape = iota // *int
	number               // *float64
	boolean              // *bool
	text                 // pointer to a string type
	path                 // *string, a file path: relative to the spec's folder, resolved on reading
	group                // a mapping of fields, read into a struct or a pointer to one, nil if the key is left out
	formats              // *[]Precision: a mapping from keys that the spec decides to formats
	union                // a mapping whose key "kind" chooses one of variants, read into an interface
	choice               // a mapping in the first form of variants or, if it has that one's key, the second
	list                 // a list of elements, read into a slice
)

// A field is one key of the form.
type field struct {
	key      string
	doc      string // what it means: one phrase
	shape    shape
	required bool
	flow     bool // written on one line, {a: 1, b: 2}
	quiet    bool // not written if it is the default
	none     bool // of a group that is a pointer: may be the text none, which is nil; left out it has its defaults

	min, max float64                                                  // of an integer or number, both included
	enum     []string                                                 // allowed texts, nil for any
	def      any                                                      // default: the value itself
	same     string                                                   // default: the value of another key, which one in words …
	sameAs   func(s *Spec, owner any, at string) (v any, path string) // … and that value and key, for a key of the mapping at

	at       func(owner any) any // from a pointer to what the mapping around it is read into, to a pointer to the key's own value
	fields   []field             // of a group
	variants []variant           // of a union or a choice
	element  *field              // of a list
}

// A variant is one kind of a union, or one form of a choice.
type variant struct {
	kind   string // the kind, or the key that tells this form from the first
	doc    string
	make   func() any       // of a union: an empty value of the kind
	fits   func(v any) bool // of a choice: whether the value behind a pointer can be written so
	start  func(v any)      // of a choice: makes the value behind a pointer one that the form's fields can be read into
	fields []field
}

// in makes the accessor of a field out of one of its owner's type.
func in[T any](at func(*T) any) func(any) any {
	return func(owner any) any { return at(owner.(*T)) }
}

func this(owner any) any { return owner }

// form is the whole spec.
var form = field{shape: group, at: this, fields: []field{
	{
		key: "name", doc: "name of the generated Go package: lower-case letters and digits", shape: text, required: true,
		at: in(func(s *Spec) any { return &s.Name }),
	},
	{
		key: "vocab", doc: "tokens in the vocabulary", shape: integer, required: true, min: 1, max: maxVocab,
		at: in(func(s *Spec) any { return &s.Vocab }),
	},
	{
		key: "dim", doc: "width of the residual stream", shape: integer, required: true, min: 2, max: maxWidth,
		at: in(func(s *Spec) any { return &s.Dim }),
	},
	{
		key: "context", doc: "default context length in tokens; not a limit", shape: integer, min: 1, max: maxTokens, def: 2048,
		at: in(func(s *Spec) any { return &s.Context }),
	},
	{
		key: "norm", doc: "the norm before mixers, feed-forward networks and the head: RMSNorm with a gain, or LayerNorm with a gain and a bias", shape: text,
		enum: []string{string(RMSNorm), string(LayerNorm)}, def: string(RMSNorm), quiet: true,
		at: in(func(s *Spec) any { return &s.Norm }),
	},
	{
		key: "norm_eps", doc: "eps of every norm but the query norm", shape: number, min: 1e-12, max: 1, def: 1e-5,
		at: in(func(s *Spec) any { return &s.NormEps }),
	},
	{
		key: "tie_embeddings", doc: "the output projection is the embedding table", shape: boolean, def: false,
		at: in(func(s *Spec) any { return &s.TieEmbeddings }),
	},
	{
		key: "embed_scale", doc: "what embeddings are multiplied by: the square root of dim, or nothing", shape: text,
		enum: []string{string(SqrtDim), string(NoScale)}, def: string(SqrtDim), quiet: true,
		at: in(func(s *Spec) any { return &s.EmbedScale }),
	},
	{
		key: "self", doc: "the self-decoder", shape: choice, required: true,
		at: in(func(s *Spec) any { return &s.Self }),
		variants: []variant{
			{
				fits: func(v any) bool { return v.(*Stack).short("self") }, start: oneLayer(nil),
				fields: []field{
					layers(),
					{
						key: "mixer", doc: "what a self-decoder layer does across tokens", shape: union, required: true, variants: selfMixers,
						at: in(func(s *Stack) any { return &s.Blocks[0].Layers[0].Mixer }),
					},
					ffn(func(s *Stack) any { return &s.Blocks[0].Layers[0].FFN }),
				},
			},
			stack("self", selfMixers),
		},
	},
	{key: "cache", doc: "the shared key/value cache, written once a token; left out if there is no cross-decoder, or if the self-decoder's last layer shares its own", shape: group, at: in(func(s *Spec) any { return &s.Cache }), fields: []field{
		{
			key: "kv_heads", doc: "key/value heads, each dim/cross.heads wide; divides cross.heads", shape: integer, min: 1, max: maxWidth,
			same: "cross.heads", sameAs: crossHeads,
			at: in(func(c *Cache) any { return &c.KVHeads }),
		},
		toggle("bias", "k and v have a bias", false, func(c *Cache) *bool { return &c.Bias }),
		positions(func(c *Cache) any { return &c.Rope }),
	}},
	{
		key: "cross", doc: "the cross-decoder; left out of a model without one", shape: choice,
		at: in(func(s *Spec) any { return &s.Cross }),
		variants: []variant{
			{
				fits: func(v any) bool { return v.(*Stack).short("cross") }, start: oneLayer(func() Mixer { return new(CrossAttention) }),
				fields: slices.Concat(
					[]field{layers()},
					within(crossAttention.fields, func(s *Stack) any { return s.Blocks[0].Layers[0].Mixer }),
					[]field{ffn(func(s *Stack) any { return &s.Blocks[0].Layers[0].FFN })},
				),
			},
			stack("cross", crossMixers),
		},
	},
	{
		key: "precision", doc: "formats of matrices, by role or the beginning of one, that do not have the model's own: the last that names one counts",
		shape: formats, at: in(func(s *Spec) any { return &s.Precision }),
	},
	{key: "checkpoint", doc: "where the trained tensors are", shape: group, flow: true, at: in(func(s *Spec) any { return &s.Checkpoint }), fields: []field{
		{
			key: "path", doc: "folder of the checkpoint, relative to this file", shape: path, def: "",
			at: in(func(c *Checkpoint) any { return &c.Path }),
		},
		{
			key: "names", doc: "whose tensor names it carries", shape: text, enum: texts(Dialects), def: string(Unilm),
			at: in(func(c *Checkpoint) any { return &c.Names }),
		},
	}},
	{
		key: "tokenizer", doc: "path of a tokenizer.json, relative to this file", shape: path, def: "",
		at: in(func(s *Spec) any { return &s.Tokenizer }),
	},
}}

// stack is the long form of a half: a list of blocks, each one layer or a list of them.
func stack(half string, mixers []variant) variant {
	repeat := field{
		key: "repeat", doc: "how many times the block is there", shape: integer, min: 1, max: maxLayers, def: 1,
		at: in(func(b *Block) any { return &b.Repeat }),
	}
	layer := []field{
		{
			key: "mixer", doc: "what the layer does across tokens", shape: union, required: true, variants: mixers,
			at: in(func(l *Layer) any { return &l.Mixer }),
		},
		ffn(func(l *Layer) any { return &l.FFN }),
	}
	block := &field{doc: "a block: a layer, or the list of them", shape: choice, at: this, variants: []variant{
		{
			fits: func(v any) bool { return len(v.(*Block).Layers) == 1 }, start: func(v any) { v.(*Block).Layers = make([]Layer, 1) },
			fields: slices.Concat([]field{repeat}, within(layer, func(b *Block) any { return &b.Layers[0] })),
		},
		{kind: "layers", fields: []field{repeat, {
			key: "layers", doc: "the layers of the block, in order", shape: list, required: true,
			at:      in(func(b *Block) any { return &b.Layers }),
			element: &field{doc: "a layer", shape: group, at: this, fields: layer},
		}}},
	}}
	return variant{kind: "stack", fields: []field{{
		key: "stack", doc: "the blocks of the " + half + "-decoder, in order", shape: list, required: true,
		at: in(func(s *Stack) any { return &s.Blocks }), element: block,
	}}}
}

// oneLayer starts a stack in the short form, with a mixer if that is not a key's choice.
func oneLayer(mixer func() Mixer) func(any) {
	return func(v any) {
		var l Layer
		if mixer != nil {
			l.Mixer = mixer()
		}
		*v.(*Stack) = Stack{[]Block{{Layers: []Layer{l}}}}
	}
}

// within gives fields whose owner is found inside another one.
func within[T any](fields []field, inner func(*T) any) []field {
	fs := slices.Clone(fields)
	for i := range fs {
		at, same := fs[i].at, fs[i].sameAs
		fs[i].at = func(owner any) any { return at(inner(owner.(*T))) }
		if same != nil {
			fs[i].sameAs = func(s *Spec, owner any, path string) (any, string) { return same(s, inner(owner.(*T)), path) }
		}
	}
	return fs
}

// crossHeads is the number of query heads of the first layer that attends to the shared cache, nil if
// there is none.
func crossHeads(s *Spec, _ any, _ string) (any, string) {
	for _, p := range s.Places() {
		if m, ok := p.Mixer.(*CrossAttention); ok {
			return m.Heads, join(p.Mixed, "heads")
		}
	}
	return nil, "cross"
}

func texts[T ~string](words []T) []string {
	var ts []string
	for _, w := range words {
		ts = append(ts, string(w))
	}
	return ts
}

func layers() field {
	return field{
		key: "layers", doc: "number of equal layers", shape: integer, required: true, min: 1, max: maxLayers,
		at: in(func(s *Stack) any { return &s.Blocks[0].Repeat }),
	}
}

func ffn[T any](at func(*T) any) field {
	return field{key: "ffn", doc: "SwiGLU feed-forward network", shape: group, required: true, flow: true, at: in(at), fields: []field{
		{
			key: "hidden", doc: "width of the gated layer", shape: integer, required: true, min: 1, max: maxWidth,
			at: in(func(f *FFN) any { return &f.Hidden }),
		},
	}}
}

// positions is the rotation of attention, or none.
func positions[T any](at func(*T) any) field {
	f := rope(at)
	f.doc, f.none = f.doc+", or none", true
	return f
}

func rope[T any](at func(*T) any) field {
	return field{key: "rope", doc: "rotary position embedding over whole heads", shape: group, flow: true, at: in(at), fields: []field{
		{
			key: "theta", doc: "base of the frequencies", shape: number, min: 1, max: 1e18, def: 10000.0,
			at: in(func(r *Rope) any { return &r.Theta }),
		},
		{
			key: "freq", doc: "spacing of the n = d/2 frequencies: yoco is theta^(-i/(n-1)), fla is theta^(-2i/d)", shape: text,
			enum: []string{string(FreqYOCO), string(FreqFLA)}, def: string(FreqYOCO),
			at: in(func(r *Rope) any { return &r.Freq }),
		},
		{
			key: "pairing", doc: "which elements rotate together: (2i, 2i+1) or (i, i+d/2)", shape: text,
			enum: []string{string(Interleaved), string(HalfSplit)}, def: string(Interleaved),
			at: in(func(r *Rope) any { return &r.Pairing }),
		},
	}}
}
