package weights

import "sync/atomic"

// warmth is the state of a File that is being warmed.
type warmth struct {
	stop atomic.Bool
	done chan struct{} // nil: never started
}

// warmStep is how much is asked of the system at a time; Close waits for one step at most.
const warmStep = 32 << 20

// Warm has the system map the whole file, reading what is not in memory yet, in the background: the
// first tokens then wait for no page faults, and resident memory is soon what it will be. A file that
// would fill most of the machine's memory is left to be mapped as it is used. It is called once.
func (f *File) Warm() {
	if f.unmap == nil || f.warm.done != nil || !roomFor(len(f.data)) {
		return
	}
	done, data := make(chan struct{}), f.data
	f.warm.done = done
	go func() {
		defer close(done)
		for from := 0; from < len(data) && !f.warm.stop.Load(); from += warmStep {
			if !populate(data[from:min(from+warmStep, len(data))]) {
				return
			}
		}
	}()
}

// cool ends the warming.
func (f *File) cool() {
	if f.warm.done != nil {
		f.warm.stop.Store(true)
		<-f.warm.done
	}
}
