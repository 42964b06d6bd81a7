package kernel

import "fmt"

// Causal depthwise convolution along the tokens, channel by channel, with x = 0 before the first token:
//
//	y_t = act(b + w_0 x_(t-Taps+1) + … + w_(Taps-1) x_t)
//
// Every output is one chain of FMAs from b, or from zero, over ascending taps. The state is the last
// Taps-1 rows of x, oldest first: a row that looks back behind the rows in work looks there.

// A ConvSpec describes the convolution of one layer; the activation is silu or none. Name is what Export
// calls the state.
type ConvSpec struct {
	Name           string
	Channels, Taps int
	SiLU           bool
}

// ConvState is the state of one layer of one session: [Taps-1][Channels], oldest row first.
type ConvState struct{ rows []float32 }

// StateFloats is the size of a ConvState's memory.
func (s *ConvSpec) StateFloats() int { return (s.Taps - 1) * s.Channels }

// State returns the state kept in buf, StateFloats long; zeros are the state before any token.
func (s *ConvSpec) State(buf []float32) ConvState {
	if n := s.StateFloats(); len(buf) < n {
		panic(fmt.Sprintf("BUG: convolution state has %d floats, want %d", len(buf), n))
	}
	return ConvState{buf[:s.StateFloats()]}
}

// Rewindable: the rows move with every token.
func (s *ConvSpec) Rewindable(from, to int) bool { return from == to }

// convChannels is how many channels a worker takes at a time: few enough that the rows which taps look at
// stay in the first cache.
const convChannels = 256

// Scratch is the scratch of ShortConv, in floats.
func (s ConvSpec) Scratch(int) int { return 2 * (s.Taps - 1) * convChannels }

// ShortConv advances the state by rows tokens and writes their outputs to dst, which is not x; both are
// Channels wide. weight is [Taps][Channels rounded up to 16], bias is nil or [Channels]. The position is
// not looked at. Workers share channels.
func ShortConv(w *Worker, s *ConvSpec, dst, x Rows, weight, bias []float32, st *ConvState, _, rows int) {
	back, ldw := s.Taps-1, roundUp(s.Channels, line)
	first := min(rows, back) // rows that look at the state
	for u := range w.Every((s.Channels+convChannels-1)/convChannels, rows) {
		from := u * convChannels
		n := min(convChannels, s.Channels-from)
		var b []float32
		if len(bias) > 0 {
			b = bias[from:][:n]
		}
		free := pieces(w.Scratch)
		seen := free.take((back + first) * n) // the state, then the rows that look at it
		for r := range back + first {
			row := seen[r*n:][:n]
			if r < back {
				copy(row, st.rows[r*s.Channels+from:])
			} else {
				copy(row, x.Data[(r-back)*x.Stride+from:])
			}
		}
		taps, out := weight[from:], dst.Cols(from)
		w.Set.Convolve(out.Data, out.Stride, seen, n, taps, ldw, b, s.Taps, n, first, s.SiLU)
		if rows > first {
			w.Set.Convolve(out.Data[first*out.Stride:], out.Stride, x.Data[from:], x.Stride, taps, ldw, b, s.Taps, n, rows-first, s.SiLU)
		}
		for r := range back { // the last rows of state and x
			row := st.rows[r*s.Channels+from:][:n]
			if rows < back {
				copy(row, seen[(rows+r)*n:])
			} else {
				copy(row, x.Data[(rows-back+r)*x.Stride+from:])
			}
		}
	}
}

// Activate writes silu of x, n wide, to dst, row by row; dst may be x. Workers share rows.
func Activate(w *Worker, dst, x Rows, n, rows int) {
	lo, hi := w.Share(rows)
	for r := lo; r < hi; r++ {
		w.Set.SiLU(dst.Row(r, n), x.Row(r, n))
	}
}

// Export returns the state after any number of tokens, [Taps-1][Channels].
func (s *ConvSpec) Export(st *ConvState, _ int) []Tensor {
	return []Tensor{{s.Name, []int{s.Taps - 1, s.Channels}, append([]float32(nil), st.rows...)}}
}
