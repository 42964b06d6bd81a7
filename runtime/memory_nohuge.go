//go:build !linux

package runtime

func adviseHuge([]byte) {}

// canDiscard: elsewhere pages that are not needed may come back as they were.
const canDiscard = false

func discard([]byte) bool { return false }
