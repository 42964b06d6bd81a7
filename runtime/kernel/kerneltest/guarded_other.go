//go:build !unix

package kerneltest

import "testing"

// pages is ordinary memory: overruns go unnoticed here.
func pages(t testing.TB, n int) []byte { return make([]byte, n) }
