package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
)

// blockSize is how many weights share a scale in q8_0 and q4_0.
const blockSize = 32

// tensorType is a format of weights. Codes and layouts are those of GGUF.
type tensorType struct {
	code, file   uint32 // of the tensor, and of a file whose matrices are of it
	block, bytes int    // a block's weights, and its bytes
	// fill draws the blocks that b holds, of mean near 0 and the given standard deviation.
	fill func(r *rand.ChaCha8, b []byte, std float64)
}

var (
	f32   = tensorType{code: 0, file: 0, block: 1, bytes: 4, fill: fillF32}
	types = map[string]tensorType{
		"f32":  f32,
		"bf16": {code: 30, file: 32, block: 1, bytes: 2, fill: fillBF16},
		"q8_0": {code: 8, file: 7, block: blockSize, bytes: 2 + blockSize, fill: fillQ8},
		"q4_0": {code: 2, file: 2, block: blockSize, bytes: 2 + blockSize/2, fill: fillQ4},
	}
)

func (t tensorType) size(elems int) int { return elems / t.block * t.bytes }

// uniform is the width of [-w, w] for a standard deviation of 1.
var uniform = math.Sqrt(3)

func fillF32(r *rand.ChaCha8, b []byte, std float64) {
	scale := float32(uniform * std / (1 << 31))
	for ; len(b) > 0; b = b[4:] {
		binary.LittleEndian.PutUint32(b, math.Float32bits(float32(int32(r.Uint64()))*scale))
	}
}

func fillBF16(r *rand.ChaCha8, b []byte, std float64) {
	scale := float32(uniform * std / (1 << 31))
	for ; len(b) > 0; b = b[2:] {
		binary.LittleEndian.PutUint16(b, uint16(math.Float32bits(float32(int32(r.Uint64()))*scale)>>16))
	}
}

// fillQ8 draws blocks of a half-precision scale and 32 integers of -127 to 127.
func fillQ8(r *rand.ChaCha8, b []byte, std float64) {
	d := half(std * uniform / 127.5)
	for ; len(b) > 0; b = b[2+blockSize:] {
		binary.LittleEndian.PutUint16(b, d)
		q := b[2 : 2+blockSize]
		for i := 0; i < blockSize; i += 8 {
			binary.LittleEndian.PutUint64(q[i:], r.Uint64())
		}
		for i := range q {
			if q[i] == 0x80 {
				q[i] = 0x81
			}
		}
	}
}

// fillQ4 draws blocks of a half-precision scale and 32 integers of -8 to 7, four bits each.
func fillQ4(r *rand.ChaCha8, b []byte, std float64) {
	d := half(std * uniform / 8)
	for ; len(b) > 0; b = b[2+blockSize/2:] {
		binary.LittleEndian.PutUint16(b, d)
		binary.LittleEndian.PutUint64(b[2:], r.Uint64())
		binary.LittleEndian.PutUint64(b[10:], r.Uint64())
	}
}

// half is x in half precision, rounded to nearest even. x is positive, and a normal number there.
func half(x float64) uint16 {
	if x < 0x1p-14 || x > 65000 {
		panic(fmt.Sprintf("BUG: a scale of %g", x))
	}
	b := math.Float32bits(float32(x))
	b += 0xfff + b>>13&1
	return uint16(b>>13 - (127-15)<<10)
}
