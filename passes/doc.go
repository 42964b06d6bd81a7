// Package passes turns a naive program into a plan. Optimize rewrites the program, a pass a file,
// each leaving it valid and with the same meaning; Plan then makes every choice that is left:
// element types, routines, layouts, the order of barriers, and the place of every activation.
//
// It may not know jennifer, avo, or the path of any file.
package passes
