package testmodel

import (
	"sync/atomic"
	"unsafe"

	"github.com/yococ/yococ/ir/plan"
	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/weights"
)

// A Counter counts the multiplications by each tensor of a weight file. They are told apart by
// where their weights lie, so that nothing but the kernels has to be watched.
type Counter struct {
	tensors []tensor
}

// tensor is the memory of one tensor, the multiplications by any element of it, and the elements read for
// them: one that is multiplied by many rows at once is read once.
type tensor struct {
	name       string
	lo, hi     uintptr
	done, read atomic.Int64
}

// Model is a model whose kernels count: a generated package's, put together from its parts.
func (c *Counter) Model(info rt.Info, f *weights.File, engine func(rt.EngineConfig) rt.Engine) *rt.Model {
	for _, e := range f.Entries() {
		data := f.Data(e.Name)
		lo := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
		c.tensors = append(c.tensors, tensor{name: e.Name, lo: lo, hi: lo + uintptr(len(data))})
	}
	sets := info.Sets
	info.Sets = func(level string) kernel.Set { return counting{sets(level), c} }
	return rt.NewModel(info, f, func(e rt.EngineConfig) (rt.Engine, error) { return engine(e), nil })
}

// Take returns the multiplications by a tensor since the last call and the elements read for them, and
// forgets them.
func (c *Counter) Take(name string) (done, read int64) {
	for i := range c.tensors {
		if t := &c.tensors[i]; t.name == name {
			return t.done.Swap(0), t.read.Swap(0)
		}
	}
	panic("BUG: no tensor " + name)
}

// note counts multiplications of rows by n weights at a place. Those of states and caches lie in no tensor.
func (c *Counter) note(at unsafe.Pointer, n, rows int) {
	for i := range c.tensors {
		if t := &c.tensors[i]; t.lo <= uintptr(at) && uintptr(at) < t.hi {
			t.done.Add(int64(n * rows))
			t.read.Add(int64(n))
		}
	}
}

// counting is a set whose matrix products are counted.
type counting struct {
	kernel.Set
	c *Counter
}

func (s counting) GemmF32(dst []float32, ldd int, x []float32, ldx int, w []float32, width, k, rows int, acc bool) {
	s.c.note(unsafe.Pointer(unsafe.SliceData(w)), width*k, rows)
	s.Set.GemmF32(dst, ldd, x, ldx, w, width, k, rows, acc)
}

func (s counting) GemmBF16(dst []float32, ldd int, x []float32, ldx int, w []uint16, width, k, rows int, acc bool) {
	s.c.note(unsafe.Pointer(unsafe.SliceData(w)), width*k, rows)
	s.Set.GemmBF16(dst, ldd, x, ldx, w, width, k, rows, acc)
}

func (s counting) GemmQ8(dst []float32, ldd int, x []int8, ldx int, sums []int32, lds int, w []byte, blocks, rows int, acc bool, next []float32, ldn int, tmp []byte) {
	s.c.note(unsafe.Pointer(unsafe.SliceData(w)), blocks*plan.Q8Block*plan.Panel/2, rows)
	s.Set.GemmQ8(dst, ldd, x, ldx, sums, lds, w, blocks, rows, acc, next, ldn, tmp)
}

func (s counting) GemmQ4(dst []float32, ldd int, x []int8, ldx int, sums []int32, lds int, w []byte, blocks, rows int, acc bool, next []float32, ldn int, tmp []byte) {
	s.c.note(unsafe.Pointer(unsafe.SliceData(w)), blocks*plan.Q4Block*plan.Panel/2, rows)
	s.Set.GemmQ4(dst, ldd, x, ldx, sums, lds, w, blocks, rows, acc, next, ldn, tmp)
}

func (s counting) GemvQ8(dst []float32, x []int8, sums []int32, w []byte, blocks int) {
	s.c.note(unsafe.Pointer(unsafe.SliceData(w)), blocks*plan.Q8Block*len(dst), 1)
	s.Set.GemvQ8(dst, x, sums, w, blocks)
}

func (s counting) GemvQ4(dst []float32, x []int8, sums []int32, w []byte, blocks int, tmp []byte) {
	s.c.note(unsafe.Pointer(unsafe.SliceData(w)), blocks*plan.Q4Block*len(dst), 1)
	s.Set.GemvQ4(dst, x, sums, w, blocks, tmp)
}
