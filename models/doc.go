// Package models holds model specs: the YAML that says which decoder-decoder is meant, the types
// it is read into, and the list of weights that follows from them. The specs that come with the
// project lie in this folder; models/checkpoint reads the tensors that a spec asks for.
//
// A spec with every key (those marked with a default may be left out):
//
//	name: yoco8m            # a Go package name: lower-case letters and digits
//	vocab: 4096
//	dim: 256
//	context: 2048           # default 2048; not a limit
//	norm_eps: 1.0e-5        # default 1.0e-5
//	tie_embeddings: false   # default false
//	self:
//	  layers: 4
//	  mixer:
//	    kind: gated-retention
//	    heads: 4
//	    gate_normalizer: 16 # default 16
//	    rope: {theta: 10000, freq: yoco, pairing: interleaved} # these are the defaults
//	  ffn: {hidden: 640}
//	cache:
//	  kv_heads: 2           # default: cross.heads
//	  bias: false           # default false
//	  rope: {theta: 10000, freq: yoco, pairing: interleaved}
//	cross:
//	  layers: 4
//	  heads: 4
//	  bias: false           # default false
//	  q_norm: false         # default false
//	  ffn: {hidden: 640}
//	precision:              # default none: formats (f32, bf16, q8, q4) that are not the model's own,
//	  head: q8              #   by role or the beginning of one; the last that names a matrix counts
//	  self.0-1.ffn: q8      #   in these layers alone
//	checkpoint: {path: yoco-8m, names: unilm} # relative to this file; names is unilm, fla, …
//	tokenizer: yoco-8m/tokenizer.json
//
// The other kind of mixer:
//
//	mixer:
//	  kind: sliding-window
//	  heads: 4
//	  kv_heads: 2           # default: heads
//	  window: 1024          # tokens, the token itself included
//	  bias: false           # default false
//	  rope: {theta: 10000, freq: fla, pairing: half-split}
//
// Keys that go without saying: head_dim beside heads (the width of a head; default dim/heads), out_bias
// beside bias, qk_norm of self-decoder attention, norm: layer, embed_scale: none; rope: none for attention
// without positions.
//
// A half whose layers are not all equal is a list of blocks, each a layer, or a list of them, so many times:
//
//	self:
//	  stack:
//	    - repeat: 4
//	      layers:
//	        - {mixer: {kind: sliding-window, heads: 4, window: 1024}, ffn: {hidden: 640}}
//	        - {mixer: {kind: gated-retention, heads: 4}, ffn: {hidden: 640}}
//	    - {mixer: {kind: attention, heads: 4, kv_heads: 2}, ffn: {hidden: 640}}
//
// Layers of kind attention keep the keys and values of all tokens for themselves. With neither cache nor
// cross the model is a Transformer or a hybrid without a cross-decoder. With shares: true, as the last
// layer, attention's keys and values are the shared cache, in place of the key cache; a cross-decoder that reads
// it may follow.
//
// Everything about a key (type, range, default, meaning) stands once, in the table of form.go:
// the reader, the writer, the checks and schema.json (for editors) all follow it. Reading is
// strict and reports all errors at once, each with file, line and column.
//
// The package must not know ops or passes, nor anything else of the compiler.
package models
