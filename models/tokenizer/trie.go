package tokenizer

// A trie finds the texts that begin at a place. Node 0 is the root. Its edges lie in a hash table with
// open addressing, never more than half full.
type trie struct {
	first [256]int32 // byte → node, from the root
	edges []edge     // a power of two of them, or none
	used  int
	found []int32 // node → what ends there, or -1
}

// An edge leads from a node, by a byte, to another; the key 0 is a free place, since no edge of the
// root is here.
type edge struct {
	key uint64
	to  int32
}

func newTrie() trie {
	t := trie{found: []int32{-1}}
	for i := range t.first {
		t.first[i] = -1
	}
	return t
}

func key(node int32, c byte) uint64 { return uint64(node)<<8 | uint64(c) }

// place is where an edge is, or would be.
func (t *trie) place(key uint64) *edge {
	mask := uint64(len(t.edges) - 1)
	for i := key * 0x9e3779b97f4a7c15 >> 20; ; i++ {
		if e := &t.edges[i&mask]; e.key == key || e.key == 0 {
			return e
		}
	}
}

// step is the node after c, or -1.
func (t *trie) step(node int32, c byte) int32 {
	if node == 0 {
		return t.first[c]
	}
	if len(t.edges) == 0 {
		return -1
	}
	if e := t.place(key(node, c)); e.key != 0 {
		return e.to
	}
	return -1
}

func (t *trie) add(text string, value int32) {
	node := int32(0)
	for i := range len(text) {
		to := t.step(node, text[i])
		if to < 0 {
			to = int32(len(t.found))
			t.found = append(t.found, -1)
			if node == 0 {
				t.first[text[i]] = to
			} else {
				t.insert(edge{key(node, text[i]), to})
			}
		}
		node = to
	}
	t.found[node] = value
}

func (t *trie) insert(e edge) {
	if 2*t.used >= len(t.edges) {
		old := t.edges
		t.edges = make([]edge, max(16, 2*len(old)))
		for _, o := range old {
			if o.key != 0 {
				*t.place(o.key) = o
			}
		}
	}
	*t.place(e.key) = e
	t.used++
}
