package driver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
)

// PrefillRows says which of a prompt's rows some layers compute before the first token, as the
// optimized program's entry has it: the matrices of theirs that every row is multiplied by, and those
// that the last row alone is. Layers that are alike in that are one.
type PrefillRows struct {
	Half   string   `json:"half"` // embed, self, cache, cross or head
	Layers []int    `json:"layers,omitempty"`
	Mixer  string   `json:"mixer,omitempty"`
	Every  []string `json:"every_row,omitempty"`
	Last   []string `json:"last_row,omitempty"`

	every, last int64 // elements of those matrices
}

// PrefillRows lists them in the model's order.
func (m *Model) PrefillRows() []PrefillRows {
	all := everyRow(m.Package.Program, m.Spec)
	var list, one []PrefillRows // one: a layer each
	at := -1
	for _, w := range m.Spec.Weights() {
		if !w.Matrix() {
			continue
		}
		half, name, _ := strings.Cut(string(w.Kind), ".")
		if len(one) == 0 || half != one[len(one)-1].Half || w.At != at {
			r := PrefillRows{Half: half}
			if w.At >= 0 {
				r.Layers = []int{w.At}
			}
			one, at = append(one, r), w.At
		}
		one[len(one)-1].add(orHalf(name, half), all[key{w.Role, w.Layer}], w.Elems())
	}
	if m.Spec.TieEmbeddings {
		r := PrefillRows{Half: "head"}
		r.add("embed", all[key{"head", -1}], int64(m.Spec.Vocab)*int64(m.Spec.Dim))
		one = append(one, r)
	}
	kinds := mixerKinds(m.Spec)
	for _, r := range one {
		r.Every, r.Last = summed(r.Every, r.Last), summed(r.Last, r.Every)
		if len(r.Layers) > 0 {
			r.Mixer = kinds[r.Half][r.Layers[0]]
		}
		i := slices.IndexFunc(list, func(o PrefillRows) bool {
			return o.Half == r.Half && o.Mixer == r.Mixer && slices.Equal(o.Every, r.Every) && slices.Equal(o.Last, r.Last)
		})
		if i < 0 {
			list = append(list, r)
			continue
		}
		o := &list[i]
		o.Layers, o.every, o.last = append(o.Layers, r.Layers...), o.every+r.every, o.last+r.last
	}
	return list
}

func (r *PrefillRows) add(name string, every bool, elems int64) {
	if every {
		r.Every, r.every = append(r.Every, name), r.every+elems
	} else {
		r.Last, r.last = append(r.Last, name), r.last+elems
	}
}

// EveryRowShare is the share of all multiplications by weights that every row of a prompt takes part
// in. The embedding takes none.
func EveryRowShare(rows []PrefillRows) float64 {
	var every, last int64
	for _, r := range rows {
		if r.Half != "embed" {
			every, last = every+r.every, last+r.last
		}
	}
	return float64(every) / float64(every+last)
}

type key struct {
	role  models.Role
	layer int
}

// everyRow has the matrices of the checkpoint that a prefill multiplies every row by. The head of a
// tied model is under its own role.
func everyRow(p *ir.Program, spec *models.Spec) map[key]bool {
	all := map[key]bool{}
	entry := p.Entry("prefill")
	for i, st := range p.Stages {
		if entry.Rows[i] != ir.All {
			continue
		}
		for _, v := range st.Func.Values {
			for _, w := range v.Weights {
				for _, src := range w.Pack.Sources {
					role := models.Role(src.Role)
					if role == "embed" && v.Op != ir.Embed && spec.TieEmbeddings {
						role = "head"
					}
					if w.Layers == 0 {
						all[key{role, -1}] = true
					}
					for l := range w.Layers {
						all[key{role, w.First + l}] = true
					}
				}
			}
		}
	}
	return all
}

// mixerKinds are the kinds of mixers of all layers, by half.
func mixerKinds(spec *models.Spec) map[string][]string {
	kinds := map[string][]string{"self": make([]string, spec.Self.Len()), "cross": make([]string, spec.Cross.Len())}
	for _, p := range spec.Places() {
		for r := range p.Repeat {
			kinds[p.Half][p.First+r*p.Step] = models.MixerKind(p.Mixer)
		}
	}
	return kinds
}

func orHalf(name, half string) string {
	if name == "" {
		return half
	}
	return name
}

// summed says ffn for all matrices of the feed-forward network, if none of them is among the others.
func summed(names, others []string) []string {
	ffn := func(s string) bool { return strings.HasPrefix(s, "ffn.") }
	if slices.ContainsFunc(others, ffn) || !slices.ContainsFunc(names, ffn) {
		return names
	}
	return append(slices.DeleteFunc(slices.Clone(names), ffn), "ffn")
}

// Name is which layers they are: self 0-3 sliding-window, self 1, 3, … 11 gated-retention.
func (r PrefillRows) Name() string {
	ns := r.Layers
	if len(ns) == 0 {
		return r.Half
	}
	var parts []string
	for i := 0; i < len(ns); {
		j := i
		for j+1 < len(ns) && ns[j+1] == ns[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, fmt.Sprint(ns[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", ns[i], ns[j]))
		}
		i = j + 1
	}
	if n := len(ns); n > 3 && evenly(ns) && ns[1] > ns[0]+1 {
		parts = []string{parts[0], parts[1] + ", … " + parts[n-1]}
	}
	return fmt.Sprintf("%s %s %s", r.Half, strings.Join(parts, ", "), r.Mixer)
}

// evenly reports whether the numbers, at least two, are equally far apart.
func evenly(ns []int) bool {
	for i := range ns {
		if ns[i] != ns[0]+i*(ns[1]-ns[0]) {
			return false
		}
	}
	return true
}
