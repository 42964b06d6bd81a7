//go:build !amd64 || purego

package kernel

// assemblyLevels is how many levels above portable the CPU has: no kernels are in assembly here.
func assemblyLevels() int { return 0 }

// bf16Dots is what HasBF16Dots reports.
const bf16Dots = false
