// Package pack writes the weight file of a plan: every weight's sources stacked, scaled, rounded
// once to the element type (or to integers in blocks, each with its scale) and laid out as the kernels
// read them. It streams: memory is bounded by
// a few panels whatever the model's size, and the bytes do not depend on how many threads worked.
//
// It may not know where values come from (a Source gives them) nor decide a layout: the plan says
// which one, runtime/kernel and runtime/weights how.
package pack
