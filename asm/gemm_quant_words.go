package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The tile of quantized products without VNNI: VPMADDUBSW multiplies |w| by x with w's sign and adds neighbours to
// 16 bits, 2*127*128 < 2^15; VPMADDWD by ones adds neighbours to 32 bits.
//
// A tile is R rows and one, two or four vectors of columns; a block, which stays in the first cache,
// is passed over until all 32 columns are done. Registers: R*V accumulators, two of w, x, a product.
//
// VPSIGNB gives x the sign of w, in two units, one of which multiplies (measured on a Zen 3). For many rows the signs are unpacked
// to masks, and x gets them by VPXOR, which any unit does. That makes -x-1 of x where w is negative, so that a block lacks the
// sum of those |w|, a number for each column, which its accumulators start from.

// blockWords writes one block of a tile of bytes.
func (g *gemmQuant) blockWords(x []reg.GPVirtual, rows int) {
	vectors := 1
	switch {
	case rows <= 2:
		vectors = 4
	case rows <= 5:
		vectors = 2
	}
	g.stripsOfBytes(x, vectors, func(strip reg.GPVirtual) {
		acc := make([][]reg.VecVirtual, rows)
		for r := range acc {
			acc[r] = g.vecs(vectors)
		}
		for r := range acc {
			g.zero(acc[r]...)
		}
		g.words8(acc, x, strip)
		g.addWords(acc, strip, q8Scales)
	})
}

// stripsOfBytes writes body for each strip of some vectors of a block's columns, from the bytes of scales before it; x moves.
func (g *gemmQuant) stripsOfBytes(x []reg.GPVirtual, vectors int, body func(strip reg.GPVirtual)) {
	strip, loop := g.GP64(), g.label("strip")
	g.XORQ(strip, strip)
	g.Label(loop)
	body(strip)
	if columns := vectors * g.level.Lanes; columns < halfCols {
		g.ADDQ(operand.I32(2*columns), strip)
		g.CMPQ(strip, operand.Imm(2*halfCols))
		g.JLT(operand.LabelRef(loop))
	}
	g.move(x, quantBlock)
	g.rest()
}

// addWords adds a block's integers in columns from strip on to dst; scales are at a byte of the block.
func (g *gemmQuant) addWords(acc [][]reg.VecVirtual, strip reg.GPVirtual, at int) {
	scales := make([]reg.VecVirtual, len(acc[0]))
	for v := range scales {
		scales[v] = g.scales(operand.Mem{Base: g.w, Index: strip, Scale: 1, Disp: at + v*g.bytes()/2})
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
}

// steps writes body for some inputs, unroll groups of four at a time, whose weights in columns from strip on are at w;
// body gets the weights of the first of them and their number. A step's weights are some bytes. Each strip asks for
// its part of a block's lines. x moves.
func (g *gemmQuant) steps(x []reg.GPVirtual, w reg.GPVirtual, vectors, inputs, unroll, bytes int, body func(step int)) {
	loop, left := g.label("steps"), g.GP64()
	g.MOVQ(operand.I32(inputs/quad/unroll), left)
	g.Label(loop)
	for step := range unroll {
		body(step)
	}
	g.prefetch(unroll * g.lines * vectors * g.level.Lanes / halfCols)
	g.move(x, unroll*quad)
	g.ADDQ(operand.I32(unroll*bytes), w)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
}

// pairedRows is up to how many rows of two vectors both vectors' weights stay in registers.
const pairedRows = 4

// words8 adds the products of 128 inputs. Two products are made at a time, instruction by instruction, of which a row's take x once.
func (g *gemmQuant) words8(acc [][]reg.VecVirtual, x []reg.GPVirtual, strip reg.GPVirtual) {
	zero, ones := g.inRegister(g.constant("q8Zero", 0x80808080)), g.inRegister(g.constant("wordOnes", 0x00010001))
	w, vectors := g.GP64(), len(acc[0])
	g.LEAQ(operand.Mem{Base: g.w, Index: strip, Scale: 2}, w)
	products := func(acc, x, size []reg.VecVirtual) {
		for i := range acc {
			g.VPMADDUBSW(x[i], size[i], x[i])
		}
		for i := range acc {
			g.VPMADDWD(ones, x[i], x[i])
		}
		for i := range acc {
			g.VPADDD(x[i], acc[i], acc[i])
		}
	}
	g.steps(x, w, vectors, quantBlock, 2, quad*halfCols, func(step int) {
		ws := func(v int) (signed, size reg.VecVirtual) {
			signed, size = g.vec(), g.vec()
			g.VPXOR(operand.Mem{Base: w, Disp: step*quad*halfCols + v*g.bytes()}, zero, signed)
			g.VPABSB(signed, size)
			return signed, size
		}
		if vectors == 2 && len(acc) <= pairedRows {
			s0, w0 := ws(0)
			s1, w1 := ws(1)
			for r := range acc {
				xr, other := g.quadOf(x, r, step), g.vec()
				g.VPSIGNB(s0, xr, other)
				g.VPSIGNB(s1, xr, xr)
				products(acc[r], []reg.VecVirtual{other, xr}, []reg.VecVirtual{w0, w1})
			}
			return
		}
		for v := range vectors {
			signed, size := ws(v)
			for r := 0; r < len(acc); r += 2 {
				var sums, xs, sizes []reg.VecVirtual
				for i := r; i < min(r+2, len(acc)); i++ {
					sums, xs, sizes = append(sums, acc[i][v]), append(xs, g.quadOf(x, i, step)), append(sizes, size)
				}
				for _, xr := range xs {
					g.VPSIGNB(signed, xr, xr)
				}
				products(sums, xs, sizes)
			}
		}
	})
	g.move(x, -quantBlock)
}

// quadOf is a fresh vector of the four inputs of a row at a step.
func (g *gemmQuant) quadOf(x []reg.GPVirtual, r, step int) reg.VecVirtual {
	v := g.vec()
	g.VPBROADCASTD(row(x, g.ldx, r, quad*step), v)
	return v
}
