// Package kernels holds every kernel in assembly at every level, as the compiler emits them, and
// the kernel.Set of each level. Generated models carry their own copies of what they use; this
// package is where the kernels are read, tested against kernel.Portable and measured.
//
// It may not import anything of ours but the runtime.
package kernels

import (
	"slices"

	"github.com/yococ/yococ/runtime/kernel"
)

//go:generate go run ./gen

// Sets are the sets that this CPU can run, ascending; the first is kernel.Portable.
func Sets() []kernel.Set {
	sets := []kernel.Set{kernel.Portable{}}
	supported := kernel.Supported()
	for _, s := range assembly {
		if slices.Contains(supported, s.Level()) {
			sets = append(sets, s)
		}
	}
	return sets
}
