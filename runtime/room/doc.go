// Package room says how much memory the process can still have: of the machine, of the control groups
// that it is in, and of the limits that ulimit and GOMEMLIMIT set.
//
// Imports: nothing of ours. Outside the standard library: nothing.
// May not: know what the memory is for.
package room
