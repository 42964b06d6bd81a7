package driver

import (
	"maps"
	"slices"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
	"github.com/yococ/yococ/runtime/host"
	"github.com/yococ/yococ/runtime/host/probe"
	"github.com/yococ/yococ/runtime/kernel"
)

// Chunk is how many tokens go through a model together in every session that the driver opens.
const Chunk = 256

// A cost is what some tokens take at the least: floating-point operations, two for a product that
// is added, and bytes of weights, states and cache that are read.
type cost struct{ flops, bytes float64 }

func (c *cost) add(d cost) { c.flops += d.flops; c.bytes += d.bytes }

// prefillCost is the cost of n tokens from position pos, and of the logits after them.
func prefillCost(p *plan.Plan, pos, n int) cost {
	var c cost
	for at := 0; at < n; at += Chunk {
		c.add(entryCost(p, "prefill", pos+at, min(Chunk, n-at)))
	}
	c.add(entryCost(p, "last", pos+n-1, 1))
	return c
}

// decodeCost is the cost of n tokens from position pos, one by one, with logits after each.
func decodeCost(p *plan.Plan, pos, n int) cost {
	var c cost
	for at := pos; at < pos+n; at++ {
		c.add(entryCost(p, "prefill", at, 1))
		c.add(entryCost(p, "last", at, 1))
	}
	return c
}

// batch is the cost if so many sessions decode together n times, of which c is the cost of one: they
// share the reading of the weights.
func (c cost) batch(p *plan.Plan, n, sessions int) cost {
	var weights float64
	for i := range p.Weights {
		if w := &p.Weights[i]; w.Form != plan.Table {
			weights += float64(w.Bytes())
		}
	}
	return cost{c.flops * float64(sessions), c.bytes*float64(sessions) - weights*float64(n*(sessions-1))}
}

// entryCost is the cost of an entry's stages for some rows from position pos. The weights and
// states of a stage are read once for all rows.
func entryCost(p *plan.Plan, entry string, pos, rows int) cost {
	var c cost
	for _, e := range p.Entries {
		if e.Name != entry {
			continue
		}
		for _, i := range e.Stages {
			c.add(stageCost(p, &p.Stages[i], pos, rows))
		}
	}
	return c
}

func stageCost(p *plan.Plan, s *plan.Stage, pos, rows int) cost {
	var c cost
	for i := range p.Weights {
		w := &p.Weights[i]
		switch {
		case w.Stage != s.Name:
		case w.Form == plan.Matrix:
			c.flops += 2 * float64(w.N) * float64(w.K) * float64(max(w.Layers, 1)) * float64(rows)
			c.bytes += float64(w.Bytes())
		case w.Form == plan.Table:
			c.bytes += float64(w.Bytes()) / float64(w.N) * float64(rows)
		default:
			c.bytes += float64(w.Bytes())
		}
	}
	for _, step := range s.Steps {
		mixer := stepCost(p, step, pos, rows)
		c.flops += mixer.flops * float64(s.Repeat)
		c.bytes += mixer.bytes * float64(s.Repeat)
	}
	return c
}

// A mixerCost is the cost of the step of a mixer, which the object describes, for some rows from position
// pos: what it takes beside its matrices, in one layer.
type mixerCost func(p *plan.Plan, o *plan.Object, pos, rows int) cost

// stepCost is the cost of a step beside its matrices.
func stepCost(p *plan.Plan, step plan.Step, pos, rows int) cost {
	for _, o := range step.Operands {
		if name, ok := o.(plan.ObjectArg); ok && slices.Contains(p.Scratch.Objects, plan.Ref(name)) {
			o := p.Object(string(name))
			return mixerTypes[o.Type].cost(p, o, pos, rows)
		}
	}
	return cost{}
}

// retainCost counts retention in its recurrent form, S = S·decay + k·v and q·S: what any form of it has
// to do.
func retainCost(_ *plan.Plan, o *plan.Object, _, rows int) cost {
	spec := kernel.RetainSpec{Heads: o.Int("Heads"), Dim: o.Int("Dim")}
	return cost{
		flops: 4 * float64(spec.Heads*spec.Dim*spec.Dim) * float64(rows),
		bytes: 4 * float64(spec.StateFloats()),
	}
}

// convCost counts a product a tap.
func convCost(_ *plan.Plan, o *plan.Object, _, rows int) cost {
	state := float64(o.Int("Channels") * (o.Int("Taps") - 1))
	return cost{flops: 2 * float64(o.Int("Channels")*o.Int("Taps")) * float64(rows), bytes: 4 * state}
}

// deltaCost counts the delta rule in its recurrent form, k·S, S = S·decay + k·u and q·S.
func deltaCost(_ *plan.Plan, o *plan.Object, _, rows int) cost {
	spec := kernel.DeltaSpec{ValueHeads: o.Int("ValueHeads"), Dim: o.Int("Dim"), ValueDim: o.Int("ValueDim")}
	return cost{
		flops: 6 * float64(spec.ValueHeads*spec.Dim*spec.ValueDim) * float64(rows),
		bytes: 4 * float64(spec.StateFloats()),
	}
}

// scanCost counts S = S·decay + in, y = y + S·c and the products that make decay and in.
func scanCost(_ *plan.Plan, o *plan.Object, _, rows int) cost {
	n := float64(o.Int("Channels") * o.Int("States"))
	return cost{flops: 6 * n * float64(rows), bytes: 4 * n}
}

func attendCost(p *plan.Plan, o *plan.Object, pos, rows int) cost {
	window := pos + rows
	row := cacheRow(p.CacheElem, o.Int("Dim"))
	if n := o.Int("Window"); n > 0 {
		window, row = n, cacheRow(ir.F32, o.Int("Dim"))
	}
	var seen float64 // pairs of a query and a key
	for at := pos; at < pos+rows; at++ {
		seen += float64(min(at+1, window))
	}
	return cost{
		flops: 4 * float64(o.Int("Heads")*o.Int("Dim")) * seen,
		bytes: 2 * float64(o.Int("KVHeads")*row) * float64(min(pos+rows, window+rows-1)),
	}
}

// arithmetic says what the products of the matrices that prefill runs are made of. Attention and
// retention count as the same: they may do no worse.
func arithmetic(p *plan.Plan) []host.Arithmetic {
	flops, all := map[probe.Kind]float64{}, 0.0
	for _, e := range p.Entries {
		if e.Name != "prefill" {
			continue
		}
		for _, i := range e.Stages {
			for j := range p.Weights {
				w := &p.Weights[j]
				if w.Stage != p.Stages[i].Name || w.Form != plan.Matrix {
					continue
				}
				for _, t := range w.Tensors() {
					n := float64(w.N) * float64(w.K) * float64(max(t.Layers, 1))
					flops[products(t.Elem, w.Rounds)] += n
					all += n
				}
			}
		}
	}
	var list []host.Arithmetic
	for _, k := range slices.Sorted(maps.Keys(flops)) {
		list = append(list, host.Arithmetic{Kind: k, Part: flops[k] / all})
	}
	return list
}

// products is what a matrix of a format multiplies: integers if it is quantized, pairs of bfloat16 if the
// activations are rounded to that and this CPU can, else float32, to which bfloat16 is widened.
func products(e ir.Elem, rounds bool) probe.Kind {
	switch {
	case e == ir.Q8:
		return probe.Bytes
	case e == ir.Q4:
		return probe.Words
	case e == ir.BF16 && rounds && kernel.HasBF16Dots():
		return probe.Pairs
	}
	return probe.FMA
}

// cacheRow is the bytes of a head's key or value: its elements, and the scale that quantized ones share.
func cacheRow(e ir.Elem, dim int) int {
	switch e {
	case ir.Q8:
		return dim + 4
	case ir.Q4:
		return dim/2 + 4
	}
	return dim * e.Bytes()
}
