package pack

import (
	"hash/fnv"
	"math"
	"strings"
)

// A Source gives the values that weights are made of. It is used by several goroutines at once.
type Source interface {
	// Read fills dst with elements from, from+1, … of a tensor, row-major. The tensor is that of a
	// role in a layer, -1 for one that no layer repeats; its rows are k wide, 1 for a vector. An error ends the
	// packing.
	Read(dst []float32, role string, layer, k, from int) error
}

// Random is a source of made-up weights, for measurements without a checkpoint: the same seed
// gives the same weights whatever is read first. Matrices have mean 0 and variance 1/k, so that
// activations keep their size, norms have a gain of 1, and biases are small.
func Random(seed uint64) Source { return random(seed) }

type random uint64

func (r random) Read(dst []float32, role string, layer, k, from int) error {
	var amplitude float64 // of a uniform distribution: √3 times its standard deviation
	switch {
	case strings.HasSuffix(role, "norm"):
		for i := range dst {
			dst[i] = 1
		}
		return nil
	case strings.HasSuffix(role, "bias"):
		amplitude = 0.1
	default:
		amplitude = math.Sqrt(3 / float64(k))
	}
	h := fnv.New64a()
	h.Write([]byte(role))
	start := mix(mix(h.Sum64()^uint64(r)) + uint64(layer+1))
	unit := float32(amplitude / (1 << 15))
	for len(dst) > 0 { // four elements of 16 bits from one number
		bits := mix(start+uint64(from/4)*0x9e3779b97f4a7c15) >> (16 * (from % 4))
		n := min(4-from%4, len(dst))
		for i := range dst[:n] {
			dst[i] = (float32(int16(bits)) + 0.5) * unit
			bits >>= 16
		}
		dst, from = dst[n:], from+n
	}
	return nil
}

// mix is the finalizer of splitmix64 (Steele, Lea and Flood 2014): every bit of the result
// depends on every bit of x.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
