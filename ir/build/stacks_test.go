package build_test

import (
	"fmt"
	"testing"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
)

// stacks are models that are not two halves of equal layers.
var stacks = map[string]string{
	"plain": `
self:
  layers: 3
  mixer: {kind: attention, heads: 4, kv_heads: 2, qk_norm: true, rope: {freq: fla, pairing: half-split}}
  ffn: {hidden: 24}
embed_scale: none
`,
	"alternating": `
self:
  stack:
    - repeat: 2
      layers:
        - {mixer: {kind: sliding-window, heads: 4, kv_heads: 2, window: 3}, ffn: {hidden: 24}}
        - {mixer: {kind: gated-retention, heads: 2}, ffn: {hidden: 20}}
    - {mixer: {kind: sliding-window, heads: 2, window: 5, qk_norm: true, rope: none}, ffn: {hidden: 8}}
cache: {kv_heads: 1}
cross: {layers: 2, heads: 4, ffn: {hidden: 16}}
`,
	"hybrid without a cross-decoder": `
self:
  stack:
    - repeat: 2
      layers:
        - {mixer: {kind: sliding-window, heads: 4, kv_heads: 2, window: 3}, ffn: {hidden: 24}}
        - {mixer: {kind: attention, heads: 4, head_dim: 6, rope: none}, ffn: {hidden: 20}}
    - {repeat: 3, mixer: {kind: gated-retention, heads: 2, head_dim: 4}, ffn: {hidden: 20}}
tie_embeddings: true
`,
	"shares its last layer's": `
self:
  stack:
    - {repeat: 2, mixer: {kind: gated-retention, heads: 2}, ffn: {hidden: 20}}
    - {mixer: {kind: attention, heads: 4, kv_heads: 2, head_dim: 6, shares: true}, ffn: {hidden: 24}}
cross:
  stack:
    - {repeat: 2, mixer: {kind: cross-attention, heads: 2, head_dim: 6, q_norm: true}, ffn: {hidden: 24}}
    - {mixer: {kind: cross-attention, heads: 8, head_dim: 6, bias: true, out_bias: true}, ffn: {hidden: 8}}
`,
}

// TestStacks: rows and states do not depend on how the tokens come: at once, in pieces, one by one.
func TestStacks(t *testing.T) {
	tokens := []int32{3, 18, 0, 7, 7, 1, 12, 5, 9, 2, 16}
	for name, text := range stacks {
		t.Run(name, func(t *testing.T) {
			spec, err := models.Parse("m.yaml", []byte("name: m\nvocab: 19\ndim: 16\n"+text))
			if err != nil {
				t.Fatal(err)
			}
			weights := randomWeights(spec)
			p, whole := machine(t, spec, weights)
			run := func(m *ir.Machine, entry string, tokens []int32) [][]float64 {
				t.Helper()
				rows, err := m.Run(p.Entry(entry), tokens)
				if err != nil {
					t.Fatal(err)
				}
				return rows
			}
			want := run(whole, "score", tokens)
			n := len(tokens) - 1
			for how, cuts := range map[string][]int{"at once": {n + 1}, "in pieces": {4, 5, 2}, "one by one": {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}} {
				_, m := machine(t, spec, weights)
				at := 0
				for i, c := range cuts {
					entry := "prefill"
					if i%2 == 1 {
						entry = "decode"
					}
					rows := run(m, entry, tokens[at:at+c])
					at += c
					near(t, how, rows[0], want[at-1])
				}
				for _, s := range p.States {
					for l := range s.Layers {
						for _, part := range s.Parts {
							got, _ := m.State(s.Name, l, part.Name)
							all, _ := whole.State(s.Name, l, part.Name)
							near(t, fmt.Sprintf("%s: $%s[%d].%s", how, s.Name, l, part.Name), got, all)
						}
					}
				}
			}
		})
	}
}
