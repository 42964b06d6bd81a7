package driver

import (
	"fmt"
	"math"

	rt "github.com/yococ/yococ/runtime"
)

// Needle is how many needles a model finds in haystacks.
type Needle struct {
	Cases []NeedleCase `json:"cases"` // by length, then by depth
	Found int          `json:"found"`
	Asked int          `json:"asked"`
}

// A NeedleCase is the needles at a depth of a haystack.
type NeedleCase struct {
	Tokens  int     `json:"tokens"` // of the haystack
	Depth   int     `json:"depth"`  // in percent
	Found   int     `json:"found"`  // every token of the answer was the most probable one
	Asked   int     `json:"asked"`
	MaxDiff float64 `json:"max_abs_logit_diff"` // where tokens were chosen, to the same model with its cache in f32
}

// Needle reads each haystack once and asks for one needle after another. What ref is compared with is the
// same model with its cache in f32, or nil if that is r itself. Both need sessions of n.Context tokens.
func (r *Runner) Needle(ref *Runner, n *Needles, p Progress) (*Needle, error) {
	res := new(Needle)
	for _, length := range n.options.Lengths {
		tokens := n.haystack(length)
		var want [][]float32
		if ref != nil {
			var err error
			if want, err = ref.find(n, tokens, p); err != nil {
				return nil, err
			}
		}
		got, err := r.find(n, tokens, p)
		if err != nil {
			return nil, err
		}
		if ref == nil {
			want = got
		}
		cases := make([]NeedleCase, len(n.options.Depths))
		row := 0
		for i, x := range n.needles {
			c := &cases[i/n.options.Count]
			c.Tokens, c.Depth = length, x.depth
			c.Asked++
			all := true
			for _, token := range x.answer {
				all = all && int32(top(got[row])) == token
				for j, y := range got[row] {
					c.MaxDiff = max(c.MaxDiff, math.Abs(float64(y)-float64(want[row][j])))
				}
				row++
			}
			if all {
				c.Found++
			}
		}
		for _, c := range cases {
			res.Found += c.Found
			res.Asked += c.Asked
		}
		res.Cases = append(res.Cases, cases...)
	}
	return res, nil
}

// find gives the logits at every token of the answers. An answer is fed as it should be, whatever the
// model would have said: a token that is wrong is wrong already.
func (r *Runner) find(n *Needles, tokens []int32, p Progress) ([][]float32, error) {
	if err := r.Reset(); err != nil {
		return nil, err
	}
	if _, err := r.Prefill(tokens, func(x rt.Progress) { p.tell("tokens", int64(x.Done), int64(x.Total)) }); err != nil {
		return nil, err
	}
	var rows [][]float32
	var before []int32 // answered, and not yet fed
	for i, x := range n.needles {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		p.tell("needles", int64(i), int64(len(n.needles)))
		if _, err := r.Prefill(append(before, x.question...), nil); err != nil {
			return nil, err
		}
		row, err := r.Logits()
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
		last := len(x.answer) - 1
		err = r.DecodeMany(x.answer[:last], func(_ int, row []float32) error {
			rows = append(rows, row)
			return nil
		})
		if err != nil {
			return nil, err
		}
		before = []int32{x.answer[last]}
	}
	for _, row := range rows {
		for _, x := range row {
			if x := float64(x); math.IsNaN(x) || math.IsInf(x, 0) {
				return nil, unusable(fmt.Errorf("needle: %w: not a number", rt.ErrLogits))
			}
		}
	}
	return rows, r.Reset() // a long haystack's memory goes to the next model
}
