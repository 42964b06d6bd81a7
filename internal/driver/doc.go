// Package driver is what the yococ command does, without its flags and its printing: it compiles a
// spec to a package, packs weights, keeps both in a cache, runs the package in a process of its
// own, checks, measures and scores what that computes, and shows what a model is compiled to.
//
// It may not read flags, print, or interpret a program: it runs the very package that it writes.
package driver
