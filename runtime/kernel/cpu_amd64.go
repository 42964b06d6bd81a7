//go:build amd64 && !purego

package kernel

// The bits of CPUID and XCR0 that the levels need (Intel's manual, volume 1, 14.3 and 15.2).
const (
	fma     = 1 << 12 // leaf 1, register c
	osxsave = 1 << 27
	avx     = 1 << 28

	bmi1     = 1 << 3 // leaf 7, register b
	avx2     = 1 << 5
	avx512f  = 1 << 16
	avx512dq = 1 << 17
	avx512bw = 1 << 30
	avx512vl = 1 << 31

	vnni       = 1 << 11 // leaf 7, register c
	avx512bf16 = 1 << 5  // leaf 7, subleaf 1, register a

	ymmState = 0b110       // XCR0: the system saves registers of 16 and 32 bytes
	zmmState = 0b1110_0110 // and opmasks, 64 bytes and registers 16 to 31
)

// assemblyLevels is how many levels above portable the CPU has, each with all its features and
// all of the level below.
func assemblyLevels() int {
	if last, _, _, _ := cpuid(0, 0); last < 7 {
		return 0
	}
	_, _, c1, _ := cpuid(1, 0)
	if !has(c1, fma|osxsave|avx) {
		return 0
	}
	_, b7, c7, _ := cpuid(7, 0)
	saved := xgetbv()
	switch {
	case !has(b7, avx2) || !has(saved, ymmState):
		return 0
	case !has(b7, bmi1|avx512f|avx512dq|avx512bw|avx512vl) || !has(c7, vnni) || !has(saved, zmmState):
		return 1
	}
	return 2
}

// bf16Dots is what HasBF16Dots reports.
var bf16Dots = func() bool {
	if assemblyLevels() < 2 {
		return false
	}
	if last, _, _, _ := cpuid(7, 0); last < 1 {
		return false
	}
	a, _, _, _ := cpuid(7, 1)
	return has(a, avx512bf16)
}()

// has reports whether word has all of the bits.
func has(word, bits uint32) bool { return word&bits == bits }
