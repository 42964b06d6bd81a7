// Package ir says what a model computes: values, operations on them, states that persist from
// token to token, and programs made of stages. It prints, parses, verifies and evaluates them.
//
// The text form, which String prints and Parse reads, by the example of one layer and a head
// without a norm (";" starts a comment; behind a value or weight it is the position in the spec):
//
//	program tiny
//
//	state $kv shared {k:f32[2 16] v:f32[2 16]}
//	state $retention carry layers=4 {S:f32[4 16 16]}
//	state $window ring window=8 layers=4 {k:f32[4 16] v:f32[4 16]}
//	weight @embed f32[300 64]          ; tiny.yaml:2:8
//	weight @self.norm f32[64] layers=4 ; tiny.yaml:5:1
//	weight @self.qk f32[128 64] layers=4 from self.q[64] self.k[64]*0.25*diag(self.norm)
//	…
//
//	stage embed
//	  %0:f32[64] = embed @embed {scale=8}
//	  return %0
//
//	stage self repeat=4
//	  %0:f32[64] = param
//	  %1:f32[64] = rmsnorm %0 {eps=1e-05}
//	  %2:f32[128] = linear %1 @self.qk
//	  %3:f32[4 16] = slice %2 {shape=[4 16]}
//	  %4:f32[4 16] = rope %3 {rope=10000/yoco/interleaved}
//	  %9:f32[4 16] = retain %4 %6 %7 %8 $retention {kscale=0.25}
//	  …
//	  return %12
//
//	entry prefill embed=all self=all share=all cross=all head=last want=last
//
// A line of a stage defines one value: number and type of one row, operation, then the values,
// weights and state that it works on, then attributes. An attribute is a field of the op's
// attribute struct, left out if zero. A weight names the checkpoint tensors that it is stacked
// from, each with its rows, a factor and a vector that scales its columns; without "from" it is
// the tensor of its own name. A stage's weights and states of several layers are those of the run in work.
//
// The package must not know YAML, mixers by name, Go output or instruction sets.
package ir
