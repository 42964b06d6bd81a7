// Package codegen writes the Go files of a generated package from a plan: the model's stages as
// straight lines of calls, the arena they work in, the weights they read, and the sets of
// assembly kernels. A call is a call: there is no code for any one operation or routine here.
//
// It may not know asm or the name of an instruction: kernels' signatures come from ir/plan.
package codegen
