package pack

import (
	"context"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/yococ/yococ/ir/plan"
	"github.com/yococ/yococ/runtime/weights"
)

// Entries are the tensors of a plan's weight file, in order.
func Entries(p *plan.Plan) []weights.Entry {
	var es []weights.Entry
	for _, t := range p.Tensors() {
		es = append(es, weights.Entry{Name: t.Name, DType: t.DType(), Shape: t.Shape()})
	}
	return es
}

// Bytes is the size of all tensors of a plan's weight file.
func Bytes(p *plan.Plan) int64 {
	var n int64
	for _, t := range p.Tensors() {
		n += t.Bytes()
	}
	return n
}

// Open maps the weight file of a plan, and refuses another's. It does not read the payload.
func Open(p *plan.Plan, path string) (*weights.File, error) {
	return weights.Open(path, p.Fingerprint(), Entries(p))
}

// Write makes the weight file of a plan at path, whole or not at all. progress, if not nil, is
// called with the bytes written so far. Canceling ctx stops it and leaves no file.
func Write(ctx context.Context, p *plan.Plan, src Source, path string, progress func(done, total int64)) error {
	out, err := weights.Create(path, p.Fingerprint(), Entries(p))
	if err != nil {
		return err
	}
	if err := write(ctx, out, p, src, progress); err != nil {
		out.Abort()
		return fmt.Errorf("%s: %w", path, err)
	}
	return out.Commit()
}

// A task is a block that some goroutine makes. done holds one result.
type task struct {
	block block
	buf   []byte
	done  chan made
}

// made is a block's data, or why there is none.
type made struct {
	data []byte
	err  error
}

// write makes blocks in parallel and writes them in order. As many as there are buffers are in
// work or waiting for their turn.
func write(ctx context.Context, out *weights.Writer, p *plan.Plan, src Source, progress func(done, total int64)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	buffers := make(chan []byte, 2*workers)
	for range cap(buffers) {
		buffers <- nil
	}
	todo, order := make(chan *task), make(chan *task, cap(buffers))
	for range workers {
		go func() {
			m := &maker{src: src}
			for t := range todo {
				data, err := m.make(t.block, t.buf)
				t.done <- made{data, err}
			}
		}()
	}
	go func() {
		defer close(order)
		defer close(todo)
		each(p, func(b block) bool {
			t := &task{block: b, done: make(chan made, 1)}
			select {
			case t.buf = <-buffers:
			case <-ctx.Done():
				return false
			}
			order <- t // never blocks: it holds as many as there are buffers
			todo <- t
			return true
		})
	}()
	written, total := int64(0), Bytes(p)
	for t := range order {
		m := <-t.done
		if m.err == nil {
			m.err = out.Write(t.block.tensor.Name, m.data)
		}
		if m.err != nil {
			cancel()
			for t := range order {
				<-t.done
			}
			return m.err
		}
		written += int64(len(m.data))
		buffers <- m.data
		if progress != nil {
			progress(written, total)
		}
	}
	return ctx.Err()
}

// each yields all blocks of a plan in the order of the file.
func each(p *plan.Plan, yield func(block) bool) {
	for _, t := range p.Tensors() {
		if !blocks(t, yield) {
			return
		}
	}
}

// grow returns a slice of length n, s if that has the capacity; the elements are anything.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// view is the same memory as other elements. Memory from make has the alignment of the largest.
func view[T, U any](s []U) []T {
	var t T
	var u U
	n := len(s) * int(unsafe.Sizeof(u)) / int(unsafe.Sizeof(t))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(s))), n)
}
