//go:build !amd64 || purego

package probe

// assembly are the probes of levels in assembly, of which this build has none.
var assembly map[string]loops
