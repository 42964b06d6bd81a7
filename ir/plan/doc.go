// Package plan is a program with every choice made, as data: which routine computes a value, where
// its operands lie, in which format, when workers wait for each other, and which kernels all that
// needs. It prints and verifies; what it says is decided in passes.
//
// It may not contain algorithms beyond that.
package plan
