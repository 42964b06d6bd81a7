package checkpoint

import (
	"fmt"
	"slices"

	"github.com/yococ/yococ/models"
)

// Bound is a checkpoint that has been found to fit a spec: a tensor for every weight.
type Bound struct {
	weights map[weightKey]Tensor
	dtype   DType
}

type weightKey struct {
	role  models.Role
	layer int
}

// Bind finds the tensor of every weight of spec in f and checks its shape and type. Weights with the name of
// one tensor are its rows, in the order in which the spec lists them. A tensor
// that no weight asks for is refused: it means other mathematics than the spec's. A tied head
// that is in the file all the same must be the embedding, byte for byte. What does not fit comes
// back as one *Misfit. Bind reads headers only, but for a tied head.
func Bind(spec *models.Spec, f *Files) (*Bound, error) {
	b := &Bound{weights: map[weightKey]Tensor{}}
	m := &Misfit{Spec: spec.File(), Name: spec.Name, Path: f.Path}
	used := map[string]bool{}
	elems := map[DType]int{}
	weights := spec.Weights()
	rows, taken := map[string]int{}, map[string]int{} // of a tensor: that it should have, that weights before have
	for _, w := range weights {
		rows[Name(spec.Checkpoint.Names, spec, w)] += w.Shape[0]
	}
	for _, w := range weights {
		name := Name(spec.Checkpoint.Names, spec, w)
		t, ok := f.Tensor(name)
		whole := w
		whole.Shape = append([]int{rows[name]}, w.Shape[1:]...)
		first := taken[name] == 0
		switch used[name] = true; {
		case name == "":
			m.add(Unnamed, w, name, t)
		case !ok && first:
			m.add(Missing, whole, name, t)
		case ok && !slices.Equal(t.Shape, whole.Shape) && first:
			m.add(WrongShape, whole, name, t)
		case ok && !t.DType.IsWeight() && first:
			m.add(WrongType, w, name, t)
		case ok && slices.Equal(t.Shape, whole.Shape):
			t = t.rows(taken[name], w.Shape[0])
			b.weights[weightKey{w.Role, w.Layer}] = t
			if w.Matrix() {
				elems[t.DType] += t.Elems()
			}
		}
		taken[name] += w.Shape[0]
	}
	if spec.TieEmbeddings {
		b.tie(spec, f, m, used)
	}
	for _, name := range f.Names() {
		if !used[name] && !harmless(name) {
			t, _ := f.Tensor(name)
			m.add(Unused, models.WeightSpec{Layer: -1, At: -1}, name, t)
		}
	}
	if len(m.Items) > 0 {
		m.advise(spec, f)
		return nil, m
	}
	for _, d := range []DType{F32, BF16, F16} {
		if elems[d] > elems[b.dtype] {
			b.dtype = d
		}
	}
	return b, nil
}

// tie gives the head of a tied model: the embedding.
func (b *Bound) tie(spec *models.Spec, f *Files, m *Misfit, used map[string]bool) {
	embed, ok := b.weights[weightKey{"embed", -1}]
	name := Name(spec.Checkpoint.Names, spec, global("head"))
	used[name] = true
	if !ok {
		return // reported
	}
	b.weights[weightKey{"head", -1}] = embed
	if head, both := f.Tensor(name); both && !Same(head, embed) {
		m.add(NotTied, models.WeightSpec{Role: "head", Layer: -1, Kind: "head", At: -1, Shape: embed.Shape, Pos: spec.Pos("tie_embeddings")}, name, head)
	}
}

// Weight gives the tensor of a weight of the spec; layer is -1 for one that no layer owns. The
// head of a tied model is its embedding. It panics if the spec has no such weight.
func (b *Bound) Weight(role models.Role, layer int) Tensor {
	t, ok := b.weights[weightKey{role, layer}]
	if !ok {
		panic(fmt.Sprintf("BUG: weight %s of layer %d asked for; the spec has none", role, layer))
	}
	return t
}

// DType is the type that most elements of the matrices have: f32, bf16 or f16.
func (b *Bound) DType() DType { return b.dtype }
