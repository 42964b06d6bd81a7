package models

import (
	"math"
	"reflect"
)

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
	group                // a mapping of fields
	formats              // *[]Precision: a mapping from keys that the spec decides to formats
	union                // a mapping whose key "kind" chooses one of variants
)

// A field is one key of the form.
type field struct {
	key      string
	doc      string // what it means: one phrase
	shape    shape
	required bool
	flow     bool // written on one line, {a: 1, b: 2}

	min, max float64  // of an integer or number, both included
	enum     []string // allowed texts, nil for any
	def      any      // default: the value itself
	same     string   // default: the value of the key with this path

	at       func(*Spec) any // pointer to the value: of integer, number, boolean, text, path
	fields   []field         // of a group
	variants []variant       // of a union
	chosen   func(*Spec) any // the union's value: what variant.make gave
}

// A variant is one kind of a union.
type variant struct {
	kind   string
	doc    string
	make   func(*Spec) // puts an empty value of the kind into the spec
	is     func(any) bool
	fields []field
}

// form is the whole spec.
var form = field{shape: group, fields: []field{
	{
		key: "name", doc: "name of the generated Go package: lower-case letters and digits", shape: text, required: true,
		at: func(s *Spec) any { return &s.Name },
	},
	{
		key: "vocab", doc: "tokens in the vocabulary", shape: integer, required: true, min: 1, max: maxVocab,
		at: func(s *Spec) any { return &s.Vocab },
	},
	{
		key: "dim", doc: "width of the residual stream", shape: integer, required: true, min: 2, max: maxWidth,
		at: func(s *Spec) any { return &s.Dim },
	},
	{
		key: "context", doc: "default context length in tokens; not a limit", shape: integer, min: 1, max: maxTokens, def: 2048,
		at: func(s *Spec) any { return &s.Context },
	},
	{
		key: "norm_eps", doc: "eps of every RMSNorm but the query norm", shape: number, min: 1e-12, max: 1, def: 1e-5,
		at: func(s *Spec) any { return &s.NormEps },
	},
	{
		key: "tie_embeddings", doc: "the output projection is the embedding table", shape: boolean, def: false,
		at: func(s *Spec) any { return &s.TieEmbeddings },
	},
	{key: "self", doc: "the self-decoder", shape: group, required: true, fields: []field{
		layers(func(s *Spec) any { return &s.Self.Layers }),
		{
			key: "mixer", doc: "what a self-decoder layer does across tokens", shape: union, required: true,
			chosen:   func(s *Spec) any { return s.Self.Mixer },
			variants: []variant{gatedRetention, slidingWindow},
		},
		ffn(func(s *Spec) any { return &s.Self.FFN.Hidden }),
	}},
	{key: "cache", doc: "the one key/value cache, written once a token", shape: group, required: true, fields: []field{
		{
			key: "kv_heads", doc: "key/value heads, each dim/cross.heads wide; divides cross.heads", shape: integer, min: 1, max: maxWidth,
			same: "cross.heads", at: func(s *Spec) any { return &s.Cache.KVHeads },
		},
		{
			key: "bias", doc: "k and v have a bias", shape: boolean, def: false,
			at: func(s *Spec) any { return &s.Cache.Bias },
		},
		rope(func(s *Spec) *Rope { return &s.Cache.Rope }),
	}},
	{key: "cross", doc: "the cross-decoder", shape: group, required: true, fields: []field{
		layers(func(s *Spec) any { return &s.Cross.Layers }),
		{
			key: "heads", doc: "query heads, each dim/heads wide", shape: integer, required: true, min: 1, max: maxWidth,
			at: func(s *Spec) any { return &s.Cross.Heads },
		},
		{
			key: "bias", doc: "q has a bias", shape: boolean, def: false,
			at: func(s *Spec) any { return &s.Cross.Bias },
		},
		{
			key: "q_norm", doc: "RMSNorm with a gain on every query head before its rotation, eps 1e-5", shape: boolean, def: false,
			at: func(s *Spec) any { return &s.Cross.QNorm },
		},
		ffn(func(s *Spec) any { return &s.Cross.FFN.Hidden }),
	}},
	{
		key: "precision", doc: "formats of matrices, by role or the beginning of one, that do not have the model's own: the last that names one counts",
		shape: formats, at: func(s *Spec) any { return &s.Precision },
	},
	{key: "checkpoint", doc: "where the trained tensors are", shape: group, flow: true, fields: []field{
		{
			key: "path", doc: "folder of the checkpoint, relative to this file", shape: path, def: "",
			at: func(s *Spec) any { return &s.Checkpoint.Path },
		},
		{
			key: "names", doc: "whose tensor names it carries", shape: text, enum: []string{string(Unilm), string(FLA)}, def: string(Unilm),
			at: func(s *Spec) any { return &s.Checkpoint.Names },
		},
	}},
	{
		key: "tokenizer", doc: "path of a tokenizer.json, relative to this file", shape: path, def: "",
		at: func(s *Spec) any { return &s.Tokenizer },
	},
}}

// gatedRetention is the paper's section 3.2; defaults are those of microsoft/unilm.
var gatedRetention = variant{
	kind: "gated-retention", doc: "gated retention: a matrix of state per head, decayed by a gate",
	make: func(s *Spec) { s.Self.Mixer = new(GatedRetention) },
	is:   func(m any) bool { _, ok := m.(*GatedRetention); return ok },
	fields: []field{
		{
			key: "heads", doc: "heads, each dim/heads wide", shape: integer, required: true, min: 1, max: maxWidth,
			at: func(s *Spec) any { return &s.Self.Mixer.(*GatedRetention).Heads },
		},
		{
			key: "gate_normalizer", doc: "the decay's logsigmoid is divided by it", shape: number, min: 1e-3, max: 1e6, def: 16.0,
			at: func(s *Spec) any { return &s.Self.Mixer.(*GatedRetention).GateNormalizer },
		},
		rope(func(s *Spec) *Rope { return &s.Self.Mixer.(*GatedRetention).Rope }),
	},
}

// slidingWindow is the paper's section 3.3.
var slidingWindow = variant{
	kind: "sliding-window", doc: "attention to the last tokens",
	make: func(s *Spec) { s.Self.Mixer = new(SlidingWindow) },
	is:   func(m any) bool { _, ok := m.(*SlidingWindow); return ok },
	fields: []field{
		{
			key: "heads", doc: "query heads, each dim/heads wide", shape: integer, required: true, min: 1, max: maxWidth,
			at: func(s *Spec) any { return &s.Self.Mixer.(*SlidingWindow).Heads },
		},
		{
			key: "kv_heads", doc: "key/value heads; divides heads", shape: integer, min: 1, max: maxWidth, same: "self.mixer.heads",
			at: func(s *Spec) any { return &s.Self.Mixer.(*SlidingWindow).KVHeads },
		},
		{
			key: "window", doc: "tokens attended to, the token itself included", shape: integer, required: true, min: 1, max: maxTokens,
			at: func(s *Spec) any { return &s.Self.Mixer.(*SlidingWindow).Window },
		},
		{
			key: "bias", doc: "q, k and v have a bias", shape: boolean, def: false,
			at: func(s *Spec) any { return &s.Self.Mixer.(*SlidingWindow).Bias },
		},
		rope(func(s *Spec) *Rope { return &s.Self.Mixer.(*SlidingWindow).Rope }),
	},
}

func layers(at func(*Spec) any) field {
	return field{key: "layers", doc: "number of equal layers", shape: integer, required: true, min: 1, max: maxLayers, at: at}
}

func ffn(at func(*Spec) any) field {
	return field{key: "ffn", doc: "SwiGLU feed-forward network", shape: group, required: true, flow: true, fields: []field{
		{key: "hidden", doc: "width of the gated layer", shape: integer, required: true, min: 1, max: maxWidth, at: at},
	}}
}

func rope(at func(*Spec) *Rope) field {
	return field{key: "rope", doc: "rotary position embedding over whole heads", shape: group, flow: true, fields: []field{
		{
			key: "theta", doc: "base of the frequencies", shape: number, min: 1, max: 1e18, def: 10000.0,
			at: func(s *Spec) any { return &at(s).Theta },
		},
		{
			key: "freq", doc: "spacing of the n = d/2 frequencies: yoco is theta^(-i/(n-1)), fla is theta^(-2i/d)", shape: text,
			enum: []string{string(FreqYOCO), string(FreqFLA)}, def: string(FreqYOCO),
			at: func(s *Spec) any { return &at(s).Freq },
		},
		{
			key: "pairing", doc: "which elements rotate together: (2i, 2i+1) or (i, i+d/2)", shape: text,
			enum: []string{string(Interleaved), string(HalfSplit)}, def: string(Interleaved),
			at: func(s *Spec) any { return &at(s).Pairing },
		},
	}}
}

// walk calls visit for every field that s has (of a union, those of the chosen kind), parents
// before children, with its path. It stops at fields for which visit is false.
func walk(s *Spec, f *field, at string, visit func(f *field, at string) bool) {
	for i := range f.fields {
		c := &f.fields[i]
		p := join(at, c.key)
		if !visit(c, p) {
			continue
		}
		switch c.shape {
		case group:
			walk(s, c, p, visit)
		case union:
			if v := c.variant(s); v != nil {
				walk(s, &field{fields: v.fields}, p, visit)
			}
		}
	}
}

// variant gives the kind that s has chosen for the union f, nil if none.
func (f *field) variant(s *Spec) *variant {
	for i := range f.variants {
		if f.variants[i].is(f.chosen(s)) {
			return &f.variants[i]
		}
	}
	return nil
}

// get reads the field's value: an int, float64, bool or string.
func (f *field) get(s *Spec) any {
	v := reflect.ValueOf(f.at(s)).Elem()
	if v.Kind() == reflect.String {
		return v.String()
	}
	return v.Interface()
}

// set stores v, an int, float64, bool or string as the field's shape wants.
func (f *field) set(s *Spec, v any) {
	p := reflect.ValueOf(f.at(s)).Elem()
	p.Set(reflect.ValueOf(v).Convert(p.Type()))
}

func (f *field) inRange(v float64) bool {
	return v >= f.min && v <= f.max && !math.IsNaN(v)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
