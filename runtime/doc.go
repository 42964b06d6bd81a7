// Package runtime is what a compiled model needs while it runs: models and sessions over the
// generated engine, the team of workers, lazily committed memory and the sampler. Generated code
// imports it as rt. It knows nothing of layers or operations: those are calls in generated code.
//
// Imports: runtime/kernel, runtime/room, runtime/snapshot, runtime/weights. Outside the standard library: nothing.
// May not: import anything of the compiler.
package runtime
