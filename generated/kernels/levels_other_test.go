//go:build !amd64 || purego

package kernels

import "github.com/yococ/yococ/runtime/kernel"

func plainer() []kernel.Set { return nil }
