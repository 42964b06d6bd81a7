//go:build !amd64 || purego

package kernel

// assemblyLevels is how many levels above portable the CPU has: no kernels are in assembly here.
func assemblyLevels() int { return 0 }
