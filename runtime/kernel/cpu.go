package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// portable is the level that every machine has.
const portable = "portable"

// Levels are the names of all instruction-set levels, ascending, whether this CPU has them or not.
func Levels() []string { return []string{portable, "avx2", "avx512"} }

// Supported are the levels that this CPU, its operating system and this build can run,
// ascending; the first is portable.
func Supported() []string { return Levels()[:1+assemblyLevels()] }

// HasBF16Dots reports whether the CPU multiplies pairs of bfloat16 by one instruction, which some CPUs
// of the level avx512 do.
func HasBF16Dots() bool { return bf16Dots }

// Best is the highest supported level, capped by the environment variable YOCOC_ISA. A value
// that is not a level caps nothing; Cap says what is wrong with it.
func Best() string {
	supported := Supported()
	cap := slices.Index(Levels(), os.Getenv("YOCOC_ISA"))
	if cap < 0 || cap >= len(supported) {
		cap = len(supported) - 1
	}
	return supported[cap]
}

// Cap is the level to use if want is asked for by name: want itself, which goes before the
// environment variable, or Best if want is empty.
func Cap(want string) (string, error) {
	supported := Supported()
	env := os.Getenv("YOCOC_ISA")
	switch {
	case want == "" && env != "" && !slices.Contains(Levels(), env):
		return "", fmt.Errorf("unknown instruction set %q in YOCOC_ISA; supported here: %s", env, strings.Join(supported, ", "))
	case want == "":
		return Best(), nil
	case slices.Contains(supported, want):
		return want, nil
	case slices.Contains(Levels(), want):
		return "", fmt.Errorf("instruction set %q is not supported here, which has %s", want, strings.Join(supported, ", "))
	}
	return "", fmt.Errorf("unknown instruction set %q; supported here: %s", want, strings.Join(supported, ", "))
}
