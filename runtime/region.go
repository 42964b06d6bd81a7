package runtime

import "sync/atomic"

// A region is the memory of all states of a session that do not grow, so that they are copied, saved and shared
// as one. One that is shared is never written.
type region struct {
	owners atomic.Int32
	memory *Memory
	bytes  []byte
	reach  int // tokens that it has been written for: more than its session holds, if that went back since
	floor  int // tokens before which it does not serve, as it came from a file
}

// newRegion returns a region of zeros that has one owner.
func newRegion(size int) (*region, error) { return newRegionIn(NewMemory(), size) }

// newRegionIn is newRegion with memory that is the region's own.
func newRegionIn(memory *Memory, size int) (r *region, err error) {
	defer catch(&err)
	r = &region{memory: memory}
	r.owners.Store(1)
	r.bytes = r.memory.Bytes(size)
	return r, nil
}

// share adds an owner.
func (r *region) share() *region {
	r.owners.Add(1)
	return r
}

// shared reports whether another owner has it too. Where it is not, only its owner can make it so.
func (r *region) shared() bool { return r.owners.Load() > 1 }

// release ends the part of one owner.
func (r *region) release() {
	if r.owners.Add(-1) == 0 {
		r.memory.Free()
	}
}

// copy is a region of one owner that says the same; t copies.
func (r *region) copy(t *team) (*region, error) {
	c, err := newRegionIn(newFilledMemory(), len(r.bytes))
	if err != nil {
		return nil, err
	}
	c.fill(r, t)
	c.memory.settle()
	return c, nil
}

// zero makes the region say what it does before any token.
func (r *region) zero() {
	clear(r.bytes)
	r.reach, r.floor = 0, 0
}

// fill makes the region say what another one does; t copies.
func (r *region) fill(from *region, t *team) {
	t.copy(r.bytes, from.bytes)
	r.reach, r.floor = from.reach, from.floor
}

// serves reports whether the region is that after so many tokens too, if nothing but the position changes.
func (r *region) serves(e Engine, tokens int) bool {
	return len(r.bytes) == 0 || tokens >= r.floor && e.Rewindable(r.reach, tokens)
}
