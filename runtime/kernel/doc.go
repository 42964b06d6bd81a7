// Package kernel is what generated code calls for every step of a model: routines (Linear, Retain,
// Attend, …), each run by all workers of a team together, over packed matrices, states and caches
// whose layouts are defined here. A routine is loops over the kernels of a Set, of which there is
// one an instruction-set level; Portable is the one in Go and the reference for the others.
//
// Imports: nothing of ours. Outside the standard library: nothing.
// May not: import anything of the compiler, nor know a model.
package kernel
