// Package host runs a compiled model in a process of its own. The yococ command builds a program
// whose main calls Main, starts it with Start, and talks to it through a Client: requests on its
// standard input, replies on its standard output, both in encoding/gob. Standard error stays what
// it is.
//
// Imports: runtime, runtime/kernel, runtime/weights. Outside the standard library: nothing.
// May not: import anything of the compiler.
package host
