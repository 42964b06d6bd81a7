package ir

import (
	"math"
	"testing"
)

// TestDifferential: attention to pairs of heads, written with stripe and differ, against the two softmaxes of
// the equation.
func TestDifferential(t *testing.T) {
	const heads, pairs, d, tokens, depth = 4, 1, 3, 5, 2 // one pair of keys for two pairs of queries
	p, err := Parse(`program t
weight @x f32[8 24]
weight @q1 f32[3]
weight @k1 f32[3]
weight @q2 f32[3]
weight @k2 f32[3]
weight @gain f32[6]
state $kv shared {k:f32[1 6] v:f32[1 6]}
stage all
  %0:f32[24] = embed @x
  %1:f32[4 3] = slice %0 {from=0 shape=[4 3]}
  %2:f32[1 6] = slice %0 {from=12 shape=[1 6]}
  %3:f32[1 6] = slice %0 {from=18 shape=[1 6]}
  %7 = share %2 %3 $kv
  %4:f32[4 6] = stripe %1 {places=2}
  %5:f32[4 6] = attend %4 $kv {scale=0.5}
  %6:f32[2 6] = differ %5 @q1 @k1 @q2 @k2 @gain {eps=0.001 depth=2 step=1}
  return %6
`)
	if err != nil {
		t.Fatal(err)
	}
	load := func(w *Weight, _ int) ([]float64, error) { return noise(w, 0) }
	got, err := NewMachine(p, load).Run(&Entry{Rows: []Rows{All}, Want: All}, []int32{0, 1, 2, 3, 4})
	if err != nil {
		t.Fatal(err)
	}
	weight := func(name string) []float64 {
		x, _ := noise(p.Weight(name), 0)
		return x
	}
	x, gain := weight("x"), weight("gain")
	init := 0.8 - 0.6*math.Exp(-0.3*depth)
	lambda := math.Exp(dot(weight("q1"), weight("k1"))) - math.Exp(dot(weight("q2"), weight("k2"))) + init
	for r := range tokens {
		for i := range heads / 2 {
			var o [2 * d]float64
			for s, sign := range []float64{1, -lambda} {
				var p [tokens]float64
				sum := 0.0
				for j := range r + 1 {
					p[j] = math.Exp(0.5 * dot(x[r*24+(2*i+s)*d:][:d], x[j*24+12+s*d:][:d]))
					sum += p[j]
				}
				for j := range r + 1 {
					for c := range o {
						o[c] += sign * p[j] / sum * x[j*24+18+c]
					}
				}
			}
			square := dot(o[:], o[:]) / (2 * d)
			for c := range o {
				want := o[c] / math.Sqrt(square+0.001) * gain[c] * (1 - init)
				if y := got[r][i*2*d+c]; !(math.Abs(y-want) <= 1e-12*max(1, math.Abs(want))) {
					t.Errorf("token %d, pair %d, element %d is %v, want %v", r, i, c, y, want)
				}
			}
		}
	}
}
