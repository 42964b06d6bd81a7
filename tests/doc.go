// Package tests checks what no package can check alone: the command as a user runs it, generated
// models against recorded results, exactness over threads, chunks and instruction sets, import
// rules, and that everything generated is up to date. It holds tests and nothing else.
//
// It may not repeat what a package's own tests check.
package tests
