package main

import (
	"fmt"
	"math"
	"slices"
)

// A law is how seconds grow with a length n: fixed + linear·n + square·n². None of the three is negative.
type law struct {
	fixed, linear, square float64
	from, to              int     // lengths that it was fitted to
	worst                 float64 // largest difference from one of them, relative to it
	points                int
}

func (l *law) at(n int) float64 {
	x := float64(n)
	return l.fixed + l.linear*x + l.square*x*x
}

// text is the law as a formula.
func (l *law) text() string {
	return fmt.Sprintf("%.3g s + %.3g µs·n + %.3g ps·n²", l.fixed, 1e6*l.linear, 1e12*l.square)
}

// law is fitted to a model's measurements of a kind, nil without any. A prefill costs a part a token, and of
// attention a part a pair of tokens; a token that is decoded costs a fixed part and one a token before it.
func (f *folder) law(model, kind string) *law { return fit(f.all(model, kind), kind) }

// all are the measurements of a model and a kind, by length. Short ones, which cost other things too, count
// only if there are no others.
func (f *folder) all(model, kind string) (ms []*measurement) {
	for _, m := range f.done {
		if m.Model == model && m.Kind == kind {
			ms = append(ms, m)
		}
	}
	slices.SortFunc(ms, func(a, b *measurement) int { return a.N - b.N })
	if i := slices.IndexFunc(ms, func(m *measurement) bool { return m.N >= short }); i > 0 {
		ms = ms[i:]
	}
	return ms
}

// short is a length below which a law has no say.
const short = 2 << 10

// foretells reports whether it says anything of other lengths.
func (l *law) foretells() bool { return l != nil && l.points >= 3 && l.to >= 4*l.from }

// fit finds the two parameters that are not negative with the least sum of squares of relative differences from
// measurements by length.
func fit(ms []*measurement, kind string) *law {
	if len(ms) == 0 {
		return nil
	}
	terms := func(n int) (a, b float64) {
		if x := float64(n); kind == prefill {
			return x, x * x
		}
		return 1, float64(n)
	}
	// The normal equations of rows (a/t, b/t) and right-hand sides 1.
	var aa, ab, bb, a1, b1 float64
	for _, m := range ms {
		a, b := terms(m.N)
		a, b = a/m.seconds(), b/m.seconds()
		aa, ab, bb, a1, b1 = aa+a*a, ab+a*b, bb+b*b, a1+a, b1+b
	}
	p, q := a1/aa, 0. // the first part alone
	if det := aa*bb - ab*ab; len(ms) > 1 && det > 1e-12*aa*bb {
		p, q = (a1*bb-b1*ab)/det, (b1*aa-a1*ab)/det
		switch {
		case q < 0:
			p, q = a1/aa, 0
		case p < 0:
			p, q = 0, b1/bb
		}
	}
	l := &law{linear: p, square: q, from: ms[0].N, to: ms[len(ms)-1].N, points: len(ms)}
	if kind == decode {
		l.fixed, l.linear, l.square = p, q, 0
	}
	for _, m := range ms {
		l.worst = max(l.worst, math.Abs(l.at(m.N)/m.seconds()-1))
	}
	return l
}
