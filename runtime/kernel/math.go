package kernel

import "math"

// The constants of Exp. ln2Hi + ln2Lo is ln 2 to 48 bits; the polynomial 1 + r + c2 r² + … + c6 r⁶
// is within 3.1e-9 of e^r (relative, minimax) for |r| < 0.3467.
const (
	expMin float32 = -87.3 // below it Exp is zero
	expMax float32 = 88    // above it Exp is Exp(expMax)
	log2E  float32 = 0x1.715476p+0
	ln2Hi  float32 = 0x1.62e43p-1
	ln2Lo  float32 = -0x1.05c61p-29
	expC2  float32 = 0x1.fffffcp-2
	expC3  float32 = 0x1.555492p-3
	expC4  float32 = 0x1.5558f2p-5
	expC5  float32 = 0x1.1239f4p-7
	expC6  float32 = 0x1.6a2416p-10
)

// Exp is e^x by the operations that every level uses, in this order, each rounded to float32:
//
//	x < -87.3 gives 0; x = min(x, 88)
//	n = roundToEven(x * log2E)
//	r = fma(n, -ln2Hi, x); r = fma(n, -ln2Lo, r)
//	p = c6; p = fma(p, r, c5); … p = fma(p, r, c2); p = fma(p, r, 1); p = fma(p, r, 1)
//	the bits of the result are those of p plus n<<23
//
// It is at most 1.2 ulp from e^x for x in [-87.3, 88]. The last step multiplies by 2^n because the
// result is normal: |r| < 0.3467, so p is in (0.707, 1.415) and has exponent -1 or 0. From above,
// n = 127 means r <= 88 - 127 ln 2 < 0, so p < 1 and the exponent is 126 at most. From below,
// n = -126 means r >= -87.3 + 126 ln 2 > 0.036, so p > 1 and the exponent is -126; a larger n
// leaves -126 at least.
func Exp(x float32) float32 {
	if x != x {
		return x
	}
	if x < expMin {
		return 0
	}
	x = min(x, expMax)
	n := roundToEven(float32(x * log2E))
	r := FMA(n, -ln2Hi, x)
	r = FMA(n, -ln2Lo, r)
	p := expC6
	for _, c := range [...]float32{expC5, expC4, expC3, expC2, 1, 1} {
		p = FMA(p, r, c)
	}
	return math.Float32frombits(math.Float32bits(p) + uint32(int32(n))<<23)
}

// The constants of Exp2: the polynomial 1 + c1 r + … + c5 r⁵ is within 9.4e-8 of 2^r (relative, minimax) for
// |r| <= 0.5.
const (
	exp2Min float32 = -126 // below it Exp2 is zero
	exp2C1  float32 = 0x1.62e42ap-1
	exp2C2  float32 = 0x1.ebf9c2p-3
	exp2C3  float32 = 0x1.c6b6dap-5
	exp2C4  float32 = 0x1.3ce8b2p-7
	exp2C5  float32 = 0x1.5bd97cp-10
)

// Exp2 is 2^x for x that is not above zero, or is no number, by the operations that every level uses, in this order,
// each rounded to float32:
//
//	x < -126 gives 0
//	n = roundToEven(x); r = x - n
//	p = c5; p = fma(p, r, c4); … p = fma(p, r, c1); p = fma(p, r, 1)
//	the bits of the result are those of p plus n<<23
//
// It is at most 2 ulp from 2^x, and 1 for x = 0. r is exact: x and n are multiples of the last place of x, and so is r, which
// is no greater than x. The result is normal: n = -126 means r >= 0, so p >= 1, and a larger n leaves an exponent of -126
// at least. It has two thirds of the operations of Exp.
func Exp2(x float32) float32 {
	if x != x {
		return x
	}
	if x < exp2Min {
		return 0
	}
	n := roundToEven(x)
	r := x - n
	p := exp2C5
	for _, c := range [...]float32{exp2C4, exp2C3, exp2C2, exp2C1, 1} {
		p = FMA(p, r, c)
	}
	return math.Float32frombits(math.Float32bits(p) + uint32(int32(n))<<23)
}

// roundToEven is the integer nearest to x, the even one of two, for |x| < 2^22.
func roundToEven(x float32) float32 {
	const magic = 3 << 22 // the float32 there are the integers, so the addition rounds
	return float32(x+magic) - magic
}

// silu is x/(1+e^-x), the addition and the division rounded to float32.
func silu(x float32) float32 { return x / (1 + Exp(-x)) }

// abs is |x|.
func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// sqrt is the square root, correctly rounded: from 53 bits to 24 a root never rounds wrong twice.
func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// LogSigmoid is log(1/(1+e^-x)) = min(x, 0) - log1p(e^-|x|). It runs in Go at every level, in
// float64 with every product converted, so that it is the same on every machine.
func LogSigmoid(x float32) float32 {
	if x != x {
		return x
	}
	e := exp64(-math.Abs(float64(x)))
	return float32(min(float64(x), 0) - log1p64(e))
}

// exp64 is e^x for x <= 0 in float64, about 1e-16 off: x = n ln 2 + r, then 14 terms of the
// series of e^r. Below -700 it is zero.
func exp64(x float64) float64 {
	const (
		hi = 0x1.62e42fee00000p-1 // 33 bits: n*hi is exact
		lo = 0x1.a39ef35793c76p-33
	)
	if x < -700 {
		return 0
	}
	n := math.RoundToEven(float64(x * math.Log2E))
	r := (x - float64(n*hi)) - float64(n*lo)
	p := expTerms[len(expTerms)-1]
	for i := len(expTerms) - 2; i >= 0; i-- {
		p = expTerms[i] + float64(p*r)
	}
	return p * math.Float64frombits(uint64(1023+int(n))<<52) // n is above -1011
}

// expTerms are 1/i!.
var expTerms = [...]float64{
	1, 1, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800,
	1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800, 1.0 / 87178291200,
}

// log1p64 is log(1+e) for 0 <= e <= 1 in float64, about 1e-16 off, by the series
// 2 (s + s³/3 + s⁵/5 + …) of s = e/(2+e), which is at most 1/3.
func log1p64(e float64) float64 {
	s := e / (2 + e)
	sq := float64(s * s)
	sum := 0.0
	for i := len(logTerms) - 1; i >= 0; i-- {
		sum = float64(sq * (logTerms[i] + sum))
	}
	return 2*s + float64(2*float64(s*sum))
}

// logTerms are 1/3, 1/5, …
var logTerms = [...]float64{
	1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21, 1.0 / 23, 1.0 / 25, 1.0 / 27,
	1.0 / 29, 1.0 / 31, 1.0 / 33, 1.0 / 35,
}
