package runtime

import (
	"container/list"
	"slices"
	"sync"

	"github.com/yococ/yococ/runtime/kernel"
)

// A PrefixCache keeps the states of sessions after the beginnings that their tokens have, so that a session whose
// tokens begin alike need not compute them again: see Options.Prefixes. Any number of sessions, of any models,
// may share it from any goroutine. Beginnings are found by a hash and compared token by token. The zero value keeps
// nothing.
//
// What it keeps shares memory with the sessions that it came from and with those that went on from it. Of all that it keeps
// it counts each piece once, whoever else has it, and drops what was not used for longest when that is more than
// it may be.
type PrefixCache struct {
	most int64 // bytes

	mu       sync.Mutex
	bytes    int64
	used     list.List               // of *prefix, the last used first
	prefixes map[prefixKey][]*prefix // by every span of their tokens, and by all of them
	ends     map[int]int             // how many prefixes have so many tokens
	spans    map[*span]int           // how many prefixes have each
	regions  map[*region]int
}

// A prefix is a moment of a model.
type prefix struct {
	model *Model
	at    *moment
	keys  []prefixKey
	place *list.Element
}

// A prefixKey stands for the first so many tokens of something.
type prefixKey struct {
	model  *Model
	hash   uint64
	tokens int
}

// NewPrefixCache returns a cache of at most so many bytes.
func NewPrefixCache(bytes int64) *PrefixCache {
	c := &PrefixCache{most: bytes}
	c.init()
	return c
}

func (c *PrefixCache) init() {
	c.prefixes, c.ends, c.spans, c.regions = map[prefixKey][]*prefix{}, map[int]int{}, map[*span]int{}, map[*region]int{}
}

// Bytes is the memory of what the cache keeps.
func (c *PrefixCache) Bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// Clear drops all that it keeps.
func (c *PrefixCache) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.used.Len() > 0 {
		c.drop(c.used.Back().Value.(*prefix))
	}
}

// put keeps a moment, of which the caller's part becomes the cache's.
func (c *PrefixCache) put(m *Model, at *moment) {
	tokens := tokensOf(at.spans, at.pos)
	p := &prefix{model: m, at: at}
	hash := newPrefixHash()
	for i, t := range tokens {
		hash.add(t)
		if n := i + 1; n == at.pos || n%kernel.SpanTokens == 0 {
			p.keys = append(p.keys, prefixKey{m, hash.sum(), n})
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.prefixes == nil {
		c.init()
	}
	for _, old := range c.prefixes[p.keys[len(p.keys)-1]] {
		if old.at.pos == at.pos && old.common(tokens) == at.pos {
			if at.logits == nil || old.at.logits != nil {
				c.used.MoveToFront(old.place)
				at.release()
				return
			}
			c.drop(old) // the new one can do more
			break
		}
	}
	p.place = c.used.PushFront(p)
	for _, k := range p.keys {
		c.prefixes[k] = append(c.prefixes[k], p)
	}
	c.ends[at.pos]++
	c.count(p, 1)
	for c.bytes > c.most && c.used.Len() > 0 {
		c.drop(c.used.Back().Value.(*prefix))
	}
}

// drop ends the cache's part in a prefix.
func (c *PrefixCache) drop(p *prefix) {
	c.used.Remove(p.place)
	for _, k := range p.keys {
		c.prefixes[k] = slices.DeleteFunc(c.prefixes[k], func(other *prefix) bool { return other == p })
		if len(c.prefixes[k]) == 0 {
			delete(c.prefixes, k)
		}
	}
	if c.ends[p.at.pos]--; c.ends[p.at.pos] == 0 {
		delete(c.ends, p.at.pos)
	}
	c.count(p, -1)
	p.at.release()
}

// count adds what a prefix has, or takes it away: pieces that no other one has.
func (c *PrefixCache) count(p *prefix, by int) {
	c.bytes += int64(by) * 4 * int64(len(p.at.logits))
	for _, s := range p.at.spans {
		c.bytes += share(c.spans, s, by) * (int64(p.model.info.SpanBytes) + SpanHeap)
	}
	c.bytes += share(c.regions, p.at.region, by) * int64(p.model.info.RegionBytes)
}

// share counts owners of a piece, and returns 1 if it got the first, -1 if it lost the last.
func share[T comparable](owners map[T]int, piece T, by int) int64 {
	before := owners[piece]
	if owners[piece] += by; owners[piece] == 0 {
		delete(owners, piece)
		return -1
	}
	if before == 0 {
		return 1
	}
	return 0
}

// find returns the moment from which a session of the model that is to hold these tokens has to compute the least, and the
// number of them that it then holds; nil if there is none. The last token's logits must be there, or the token be
// left to compute.
func (c *PrefixCache) find(m *Model, e Engine, tokens []int32) (at *moment, n int) {
	c.mu.Lock()
	ends := make(map[int]bool, len(c.ends))
	for n := range c.ends {
		ends[n] = true
	}
	c.mu.Unlock()
	var keys []prefixKey
	hash := newPrefixHash()
	for i, t := range tokens {
		hash.add(t)
		if n := i + 1; n%kernel.SpanTokens == 0 || ends[n] {
			keys = append(keys, prefixKey{m, hash.sum(), n})
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var best *prefix
	seen := map[*prefix]bool{}
	for i := len(keys) - 1; i >= 0 && n < keys[i].tokens; i-- {
		for _, p := range c.prefixes[keys[i]] {
			if seen[p] {
				continue
			}
			seen[p] = true
			if k := p.serves(e, tokens); k > n {
				best, n = p, k
			}
		}
	}
	if best == nil {
		return nil, 0
	}
	c.used.MoveToFront(best.place)
	return best.at.share(), n
}

// serves is how many of these tokens a session can hold that begins at the prefix and computes nothing.
func (p *prefix) serves(e Engine, tokens []int32) int {
	n := p.common(tokens)
	if n == p.at.pos && (n < len(tokens) || p.at.logits != nil) {
		return n
	}
	if n = min(n, len(tokens)-1); n > 0 && p.at.region.serves(e, n) {
		return n
	}
	return 0
}

// common is how many tokens at the beginning are the prefix's too.
func (p *prefix) common(tokens []int32) (n int) {
	tokens = tokens[:min(len(tokens), p.at.pos)]
	for n < len(tokens) && p.at.spans[n/kernel.SpanTokens].tokens[n%kernel.SpanTokens] == tokens[n] {
		n++
	}
	return n
}

// A prefixHash is that of the tokens added so far.
type prefixHash uint64

func newPrefixHash() prefixHash { return 0x9e3779b97f4a7c15 }

func (h *prefixHash) add(token int32) {
	*h = (*h ^ prefixHash(uint32(token))) * 0xff51afd7ed558ccd
	*h ^= *h >> 32
}

func (h *prefixHash) sum() uint64 { return uint64(*h) }
