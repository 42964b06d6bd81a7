//go:build !amd64 || purego

package kernels

import "github.com/yococ/yococ/runtime/kernel"

// assembly are the sets above Portable: none.
var assembly []kernel.Set
