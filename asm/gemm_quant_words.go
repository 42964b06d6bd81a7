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
	if g.bits == 8 {
		for r := range acc {
			g.zero(acc[r]...)
		}
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

// words8 adds the products of 128 inputs.
func (g *gemmQuant) words8(acc [][]reg.VecVirtual, x []reg.GPVirtual, strip reg.GPVirtual) {
	const unroll = 4
	loop, left, w := g.label("steps"), g.GP64(), g.GP64()
	g.LEAQ(operand.Mem{Base: g.w, Index: strip, Scale: 2}, w)
	g.MOVQ(operand.I32(g.inputs/quad/unroll), left)
	zero := g.inRegister(g.constant("q8Zero", 0x80808080))
	g.Label(loop)
	for step := range unroll {
		for v := range acc[0] {
			signed, size := g.vec(), g.vec()
			g.VPXOR(operand.Mem{Base: w, Disp: step*quad*halfCols + v*g.bytes()}, zero, signed)
			g.VPABSB(signed, size)
			for r := range acc {
				xr := g.vec()
				g.VPBROADCASTD(row(x, g.ldx, r, quad*step), xr)
				g.VPSIGNB(signed, xr, xr)
				g.VPMADDUBSW(xr, size, xr)
				g.VPMADDWD(g.constant("wordOnes", 0x00010001), xr, xr)
				g.VPADDD(xr, acc[r][v], acc[r][v])
			}
		}
	}
	g.move(x, unroll*quad)
	g.ADDQ(operand.I32(unroll*quad*halfCols), w)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
	g.move(x, -g.inputs)
}

// words4 leaves the sums of 32 inputs in acc.
func (g *gemmQuant) words4(acc [][]reg.VecVirtual, x []reg.GPVirtual, strip reg.GPVirtual) {
	w := g.GP64()
	g.LEAQ(operand.Mem{Base: g.w, Index: strip, Scale: 2}, w)
	nibble := g.constant("nibble", 0x0f0f0f0f)
	for step := range g.inputs / quad {
		ws := g.vecs(len(acc[0]))
		for v := range ws {
			g.VMOVDQU(operand.Mem{Base: w, Disp: step/2*quad*halfCols + v*g.bytes()}, ws[v])
			if step%2 == 1 {
				g.VPSRLW(operand.Imm(4), ws[v], ws[v])
			}
			g.VPAND(nibble, ws[v], ws[v])
			if len(ws) == 4 { // a register is all there is
				g.products4(acc, v, ws[v], x, quad*step)
			}
		}
		if len(ws) < 4 {
			for v := range ws {
				g.products4(acc, v, ws[v], x, quad*step)
			}
		}
	}
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

// products4 adds the products of four inputs, disp bytes from x, to vector v of every row.
func (g *gemmQuant) products4(acc [][]reg.VecVirtual, v int, w reg.VecVirtual, x []reg.GPVirtual, disp int) {
	for r := range acc {
		xr := g.vec()
		g.VPBROADCASTD(row(x, g.ldx, r, disp), xr)
		if disp == 0 {
			g.VPMADDUBSW(xr, w, acc[r][v])
			continue
		}
		g.VPMADDUBSW(xr, w, xr)
		g.VPADDW(xr, acc[r][v], acc[r][v])
	}
}
