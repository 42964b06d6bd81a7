package asm

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Finished tiles of a matrix product, brought to their rows.
//
//	tileStore:  dst[r][c] = tile[r][c]*scale[r] + bias[c]
//	tileAdd:    dst[r][c] = dst[r][c] + (tile[r][c]*scale[r] + bias[c])
//	tileSwiGLU: dst[r][c] = silu(tile[r][c]*scale[r]) * (tile[r][32+c]*scale[r])
//
// Loop nest: rows, then vectors of columns, all 64 without a test or n of them in groups. What is
// left out is a number that changes no bit: a product with 1, a sum with -0; so there is one loop.

// tileCols is kernel.PanelCols.
const tileCols = 64

// A tile is one such kernel being written.
type tile struct {
	*emitter
	dst, ldd, tile, scale, lds reg.GPVirtual
	next                       reg.GPVirtual // bytes from a row's columns to what fetchNext asks for
}

func newTile(e *emitter) *tile {
	t := &tile{emitter: e, dst: e.ptr("dst"), ldd: e.integer("ldd"), tile: e.ptr("tile")}
	e.SHLQ(operand.Imm(2), t.ldd)
	t.lds = e.integer("lds")
	e.SHLQ(operand.Imm(2), t.lds)
	t.scale = e.orElse("scale", e.data("oneScale", math.Float32bits(1)), t.lds)
	return t
}

// orElse is the address of a slice parameter, or of data if it is empty; strides are then zero.
func (e *emitter) orElse(name string, data operand.Mem, strides ...reg.GPVirtual) reg.GPVirtual {
	p, n, given := e.ptr(name), e.length(name), e.label("given")
	e.TESTQ(n, n)
	e.JNE(operand.LabelRef(given))
	e.LEAQ(data, p)
	for _, s := range strides {
		e.XORQ(s, s)
	}
	e.Label(given)
	return p
}

// rows writes body for each row, with its scale.
func (t *tile) rows(body func(scale reg.VecVirtual)) {
	t.times(t.integer("rows"), func() {
		s := t.vec()
		t.VBROADCASTSS(operand.Mem{Base: t.scale}, s)
		body(s)
		t.ADDQ(t.ldd, t.dst)
		t.ADDQ(operand.I32(4*tileCols), t.tile)
		t.ADDQ(t.lds, t.scale)
	})
}

// nextRows is up to how many rows a tile asks for the next panel's outputs. Those of more rows would leave the cache before
// they are written, and to ask for them holds up this panel's. More rows ask for outputs aheadRows further down: rows lie
// pages apart, so that nothing else does, and stores that wait for memory one after another would hold up the tile.
const (
	nextRows  = 48
	aheadRows = 32
)

// setNext lets up to nextRows rows of so many bytes ask for what lies behind them: the next panel's. More ask for this one's.
func (t *tile) setNext(bytes int) {
	few := t.label("few")
	t.next = t.literal(bytes)
	t.CMPQ(t.arg("rows"), operand.Imm(nextRows))
	t.JLE(operand.LabelRef(few))
	t.IMUL3Q(operand.Imm(aheadRows), t.ldd, t.next)
	t.Label(few)
}

// fetchNext asks for as many bytes.
func (t *tile) fetchNext(bytes int) {
	for at := 0; at < bytes; at += cacheLine {
		t.PREFETCHT0(operand.Mem{Base: t.dst, Index: t.next, Scale: 1, Disp: at})
	}
}

func tileStore(e *emitter) { writeTile(e, false) }
func tileAdd(e *emitter)   { writeTile(e, true) }

func writeTile(e *emitter, add bool) {
	t := newTile(e)
	none := make([]uint32, tileCols)
	for i := range none {
		none[i] = math.Float32bits(float32(math.Copysign(0, -1)))
	}
	bias := e.orElse("bias", e.data("noBias", none...))
	t.setNext(4 * tileCols)
	n, some, done := e.integer("n"), e.label("some"), e.label("done")
	e.CMPQ(n, operand.Imm(tileCols))
	e.JNE(operand.LabelRef(some))
	t.rows(func(scale reg.VecVirtual) {
		t.fetchNext(4 * tileCols)
		for at := 0; at < 4*tileCols; at += e.bytes() {
			v := e.vec()
			e.VMULPS(operand.Mem{Base: t.tile, Disp: at}, scale, v)
			e.VADDPS(operand.Mem{Base: bias, Disp: at}, v, v)
			if add {
				e.VADDPS(operand.Mem{Base: t.dst, Disp: at}, v, v)
			}
			e.VMOVUPS(v, operand.Mem{Base: t.dst, Disp: at})
		}
	})
	e.JMP(operand.LabelRef(done))

	e.Label(some)
	t.rows(func(scale reg.VecVirtual) {
		e.each(n, func(s slot) {
			v := e.load(t.tile, s)
			e.VMULPS(scale, v, v)
			e.VADDPS(e.load(bias, s), v, v)
			if add {
				e.VADDPS(e.load(t.dst, s), v, v)
			}
			e.store(v, t.dst, s)
		})
	})
	e.Label(done)
}

func tileSwiGLU(e *emitter) {
	t := newTile(e)
	c := e.siluConstants()
	t.setNext(2 * tileCols)
	t.rows(func(scale reg.VecVirtual) {
		t.fetchNext(2 * tileCols)
		for at := 0; at < 2*tileCols; at += e.bytes() {
			gate, up := e.vec(), e.vec()
			e.VMULPS(operand.Mem{Base: t.tile, Disp: at}, scale, gate)
			y := e.silu(gate, c)
			e.VMULPS(operand.Mem{Base: t.tile, Disp: 2*tileCols + at}, scale, up)
			e.VMULPS(up, y, y)
			e.VMOVUPS(y, operand.Mem{Base: t.dst, Disp: at})
		}
	})
}
