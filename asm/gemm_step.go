package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// One step of a tile of gemm.go, in each format of its factors.

// steps loads the number of steps.
func (g *gemm) steps() reg.GPVirtual {
	if g.format == pairs {
		return g.integer("pairs")
	}
	return g.integer("k")
}

// A half is what a step takes of a word of w, and of x if that holds pairs.
type half uint8

const (
	whole      half = iota // a float32
	lowHalf                // the even bfloat16 of a pair
	highHalf               // the odd one
	bothHalves             // the sum of both products
)

// step writes one multiplication for each accumulator. Few rows keep their x in registers and take w
// vector by vector; more rows keep w.
func (g *gemm) step(acc [][]reg.VecVirtual, x []operand.Mem, w operand.Mem, h half) {
	n := len(acc[0])
	if len(acc) < 4 {
		xs := make([]reg.VecVirtual, len(acc))
		for r := range xs {
			xs[r] = g.spreadX(x[r], h)
		}
		for v := range n {
			wv := g.weights(w, v, h, len(acc) == 1)
			for r := range acc {
				g.multiply(wv, xs[r], acc[r][v], h)
			}
		}
		return
	}
	ws := make([]operand.Op, n)
	for v := range ws {
		ws[v] = g.weights(w, v, h, false)
	}
	for r := range acc {
		xr := g.spreadX(x[r], h)
		for v := range ws {
			g.multiply(ws[v], xr, acc[r][v], h)
		}
	}
}

// multiply adds products to an accumulator.
func (g *gemm) multiply(w operand.Op, x, acc reg.VecVirtual, h half) {
	if h == bothHalves {
		g.unknown("VDPBF16PS", w, x, acc)
		return
	}
	g.VFMADD231PS(w, x, acc)
}

// spreadX fills a vector with a half of a word of x.
func (g *gemm) spreadX(at operand.Mem, h half) reg.VecVirtual {
	x := g.vec()
	g.VBROADCASTSS(at, x)
	switch {
	case g.format == pairs && h == lowHalf:
		g.VPSLLD(operand.Imm(16), x, x)
	case g.format == pairs && h == highHalf:
		g.VANDPS(g.high, x, x)
	}
	return x
}

// weights are the v-th vector of one half of w, in memory if that is enough.
func (g *gemm) weights(w operand.Mem, v int, h half, once bool) operand.Op {
	at := w.Offset(v * g.bytes())
	if once && (h == whole || h == bothHalves) {
		return at
	}
	wv := g.vec()
	switch {
	case h == whole, h == bothHalves:
		g.VMOVUPS(at, wv)
	case h == highHalf:
		if high, ok := g.high.(reg.VecVirtual); ok {
			g.VANDPS(at, high, wv)
			break
		}
		g.VMOVUPS(at, wv)
		g.VANDPS(g.high, wv, wv)
	case g.masked():
		g.VPSLLD(operand.Imm(16), at, wv)
	default:
		g.VMOVUPS(at, wv)
		g.VPSLLD(operand.Imm(16), wv, wv)
	}
	return wv
}
