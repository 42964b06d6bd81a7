package runtime

import (
	"context"

	"github.com/yococ/yococ/runtime/kernel"
)

// ahead prepares a pass of n tokens of a prompt that goes on to position end. It takes the spans that the prompt will
// fill, a huge page for each worker, before they are needed, and has all workers touch that memory together: else
// one of them would come upon a new page in the middle of a pass, and the others wait for it. A virtual machine may
// have to get a huge page from its host, which was measured to take 5 ms. If ctx ends nothing has changed.
func (s *Session) ahead(ctx context.Context, n, end int) error {
	if err := ended(ctx); err != nil {
		return err
	}
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
	if err := st.grow(s.model.spans, whole*kernel.SpanTokens-st.pos, s.team); err != nil {
		return err
	}
	fresh := st.spans[had:]
	if !s.team.run(ctx, func(w *kernel.Worker) { touch(w, fresh) }) {
		return ctx.Err()
	}
	return nil
}
