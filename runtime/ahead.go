package runtime

import (
	"context"
	"unsafe"

	"github.com/yococ/yococ/runtime/kernel"
)

// ahead prepares a pass of n tokens of a prompt that goes on to position end. It takes the spans that the prompt will
// fill, a huge page for each worker, before they are needed, and has all workers touch that memory together: else
// one of them would come upon a new page in the middle of a pass, and the others wait for it. A virtual machine may
// have to get a huge page from its host, which was measured to take 5 ms. If ctx ends nothing has changed.
func (s *Session) ahead(ctx context.Context, n, end int) error {
	if err := s.prepare(0); err != nil {
		return err
	}
	st, size := &s.states, s.model.info.SpanBytes
	had := len(st.spans)
	if size == 0 || had*kernel.SpanTokens >= st.pos+n {
		return nil
	}
	more := (s.options.Threads*HugePage + size - 1) / size
	whole := min(had+more, end/kernel.SpanTokens) // no page of a span that is not filled
	if whole <= had {
		return nil
	}
	if err := st.grow(s.model.spans, whole*kernel.SpanTokens-st.pos); err != nil {
		return err
	}
	if !s.do(ctx, job{do: touch, fresh: st.spans[had:]}) {
		return ctx.Err()
	}
	return nil
}

// touchShare touches the worker's share of the memory of spans that say nothing yet: one of N huge pages.
func touchShare(w *kernel.Worker, spans []*span) {
	for _, s := range spans {
		for b := s.bytes; len(b) > 0; {
			at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
			n := min(len(b), HugePage-int(at%HugePage))
			if int(at/HugePage%uintptr(w.N)) == w.ID && !w.GiveUp() {
				for i := 0; i < n; i += pageSize {
					b[i] = 0
				}
			}
			b = b[n:]
		}
	}
}

// pageSize is the smallest page of any system.
const pageSize = 4096
