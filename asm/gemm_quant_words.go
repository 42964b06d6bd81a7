package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The tile of quantized products without VNNI: VPMADDUBSW multiplies unsigned by signed bytes and adds
// neighbours to 16 bits, which must be enough.
//
//	q8  |w| times x with w's sign: 2*127*127 < 2^15; VPMADDWD by ones adds neighbours to 32 bits
//	q4  nibbles times x, gathered in 16 bits over the block: 8*2*15*127 < 2^15; VPMADDWD at its end
//
// A tile is R rows and one, two or four vectors of columns; a block, which stays in the first cache,
// is passed over until all 32 columns are done. Registers: R*V accumulators, two of w, x, a product.

// blockWords writes one block of a tile. x moves over the block, sums and w do not.
func (g *gemmQuant) blockWords(x []reg.GPVirtual, rows int) {
	vectors := 1
	switch {
	case rows <= 2, rows == 3 && g.bits == 4:
		vectors = 4
	case g.bits == 4, rows <= 5:
		vectors = 2
	}
	strip := g.GP64() // bytes of scales before the strip
	g.XORQ(strip, strip)
	loop := g.label("strip")
	g.Label(loop)
	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		acc[r] = g.vecs(vectors)
	}
	for r := range acc {
		g.zero(acc[r]...)
	}
	if g.bits == 8 {
		g.words8(acc, x, strip)
	} else {
		g.words4(acc, x, strip)
	}

	scales := make([]reg.VecVirtual, vectors)
	for v := range scales {
		scales[v] = g.scales(operand.Mem{Base: g.w, Index: strip, Scale: 1, Disp: g.tileBytes() + v*g.bytes()/2})
	}
	dst := g.GP64()
	g.LEAQ(operand.Mem{Base: g.dst, Index: strip, Scale: 2}, dst)
	for r := range acc {
		for v, n := range acc[r] {
			at := operand.Mem{Base: dst, Disp: v * g.bytes()}
			g.VCVTDQ2PS(n, n)
			g.VFMADD213PS(at, scales[v], n)
			g.VMOVUPS(n, at)
		}
		if r < len(acc)-1 {
			g.ADDQ(g.ldd, dst)
		}
	}
	if columns := vectors * g.level.Lanes; columns < halfCols {
		g.ADDQ(operand.I32(2*columns), strip)
		g.CMPQ(strip, operand.Imm(2*halfCols))
		g.JLT(operand.LabelRef(loop))
	}
	g.move(x, g.inputs)
}

// steps writes body for the inputs of a block, unroll groups of four at a time; body gets the weights
// of the first of them and their number. Each strip asks for its part of a block's lines. x is left as it was.
func (g *gemmQuant) steps(x []reg.GPVirtual, strip reg.GPVirtual, vectors, unroll int, body func(w reg.GPVirtual, step int)) {
	loop, left, w := g.label("steps"), g.GP64(), g.GP64()
	g.LEAQ(operand.Mem{Base: g.w, Index: strip, Scale: 2}, w)
	g.MOVQ(operand.I32(g.inputs/quad/unroll), left)
	g.Label(loop)
	for step := range unroll {
		body(w, step)
	}
	g.prefetch(unroll * vectors * g.level.Lanes * quad * g.bits / 8 / cacheLine)
	g.move(x, unroll*quad)
	g.ADDQ(operand.I32(unroll*quad*halfCols*g.bits/8), w)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
	g.move(x, -g.inputs)
}

// words8 adds the products of 128 inputs.
func (g *gemmQuant) words8(acc [][]reg.VecVirtual, x []reg.GPVirtual, strip reg.GPVirtual) {
	zero, ones := g.inRegister(g.constant("q8Zero", 0x80808080)), g.inRegister(g.constant("wordOnes", 0x00010001))
	g.steps(x, strip, len(acc[0]), 2, func(w reg.GPVirtual, step int) {
		for v := range acc[0] {
			signed, size := g.vec(), g.vec()
			g.VPXOR(operand.Mem{Base: w, Disp: step*quad*halfCols + v*g.bytes()}, zero, signed)
			g.VPABSB(signed, size)
			for r := range acc {
				xr := g.quadOf(x, r, step)
				g.VPSIGNB(signed, xr, xr)
				g.VPMADDUBSW(xr, size, xr)
				g.VPMADDWD(ones, xr, xr)
				g.VPADDD(xr, acc[r][v], acc[r][v])
			}
		}
	})
}

// words4 leaves the sums of 32 inputs in acc.
func (g *gemmQuant) words4(acc [][]reg.VecVirtual, x []reg.GPVirtual, strip reg.GPVirtual) {
	nibble := g.constant("nibble", 0x0f0f0f0f)
	g.steps(x, strip, len(acc[0]), 4, func(w reg.GPVirtual, step int) {
		load := func(v int) reg.VecVirtual {
			wv := g.vec()
			g.VMOVDQU(operand.Mem{Base: w, Disp: step/2*quad*halfCols + v*g.bytes()}, wv)
			if step%2 == 1 {
				g.VPSRLW(operand.Imm(4), wv, wv)
			}
			g.VPAND(nibble, wv, wv)
			return wv
		}
		product := func(r, v int, x, w reg.VecVirtual) {
			p := g.vec()
			g.VPMADDUBSW(x, w, p)
			g.VPADDW(p, acc[r][v], acc[r][v])
		}
		if len(acc[0]) == 4 { // one register is all there is for w
			for v := range acc[0] {
				wv := load(v)
				for r := range acc {
					product(r, v, g.quadOf(x, r, step), wv)
				}
			}
			return
		}
		ws := []reg.VecVirtual{load(0), load(1)}
		for r := range acc {
			xr := g.quadOf(x, r, step)
			for v := range ws {
				product(r, v, xr, ws[v])
			}
		}
	})
	sums := g.copyOf(g.sums)
	for r := range acc {
		sum := g.vec()
		g.VPBROADCASTD(operand.Mem{Base: sums}, sum)
		for _, n := range acc[r] {
			g.VPMADDWD(g.constant("wordOnes", 0x00010001), n, n)
			g.VPADDD(sum, n, n)
		}
		g.LEAQ(operand.Mem{Base: sums, Index: g.lds, Scale: 4}, sums)
	}
}

// quadOf is a fresh vector of the four inputs of a row at a step.
func (g *gemmQuant) quadOf(x []reg.GPVirtual, r, step int) reg.VecVirtual {
	v := g.vec()
	g.VPBROADCASTD(row(x, g.ldx, r, quad*step), v)
	return v
}
