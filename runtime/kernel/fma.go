package kernel

import "math"

// FMA is a*b + c with one rounding, to the nearest even float32, as the hardware instruction
// does it. float32(math.FMA(…)) is not that: it rounds twice.
//
// The product of two float32 is exact in float64. The float64 sum s rounds once; converting it
// rounds again, and that second rounding goes wrong only where the first one produced or left
// a tie, a float64 halfway between two neighbouring float32: monotonic rounding keeps every
// other s on its side of the halfway point. So everything but ties and results below the
// normal range, where ties look different, is one conversion.
func FMA(a, b, c float32) float32 {
	s := float64(a)*float64(b) + float64(c) // fused or not: the product is exact
	if plain(s) {
		return float32(s)
	}
	return fmaTie(a, b, c)
}

// plain reports whether s is neither a tie between two float32 nor below their normal range.
func plain(s float64) bool {
	const (
		below     = 1<<29 - 1   // the fraction bits that a float32 does not have
		tie       = 1 << 28     // what they are halfway
		minNormal = 0x381 << 53 // the bits of 2^-126, shifted left to drop the sign
	)
	bits := math.Float64bits(s)
	return bits&below != tie && bits<<1 >= minNormal
}

// fmaTie is FMA without a shortcut: it rounds the float64 sum to odd, which keeps what the
// second rounding has to know, namely on which side of a tie the exact sum lies (Boldo and
// Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
func fmaTie(a, b, c float32) float32 {
	p, z := float64(a)*float64(b), float64(c)
	s := p + z
	if s-s != 0 {
		return float32(s) // an infinity or not a number
	}
	// Knuth's exact error of the sum: nothing overflows or underflows, since the
	// exponents of float32 products stay far inside those of float64.
	t := s - p
	rest := (p - (s - t)) + (z - t)
	bits := math.Float64bits(s)
	if rest != 0 && bits&1 == 0 {
		if (rest > 0) == (s > 0) {
			bits++
		} else {
			bits--
		}
	}
	return float32(math.Float64frombits(bits))
}
