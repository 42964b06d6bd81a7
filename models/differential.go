package models

// Differential attention (Ye et al. 2024, arXiv 2410.05258) is a property of attention mixers: heads are paired
// by neighbours, and of a pair's two attentions to the values of both the difference is taken and normed.

// differential is the key that says so.
func differential[T any](at func(m *T) *bool) field {
	return toggle("differential", "the difference of neighbouring heads' attention, normed; heads and key/value heads are paired", true, at)
}

// differential checks what differential attention asks of the other keys of a mixer: heads in pairs, and
// queries and keys as they are projected.
func (c *checker) differential(at string, heads, kvHeads int, rope *Rope, normed string) {
	on := join(at, "differential")
	switch {
	case !c.ok(on):
	case heads%2 != 0:
		c.fail(join(at, "heads"), "%d is odd: differential attention pairs heads", heads)
	case kvHeads%2 != 0:
		c.fail(join(at, "kv_heads"), "%d is odd: differential attention pairs heads", kvHeads)
	case rope != nil:
		c.fail(on, "is not supported with rotations: want rope: none")
	case normed != "":
		c.fail(on, "is not supported with %s", normed)
	}
}

// differential lists the weights of differential attention with heads of hd elements.
func (w *weigher) differential(hd int) {
	for _, name := range []string{"lambda.q1", "lambda.k1", "lambda.q2", "lambda.k2"} {
		w.add(name, "differential", hd)
	}
	w.add("pair.norm", "differential", 2*hd)
}
