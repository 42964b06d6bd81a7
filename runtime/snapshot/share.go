package snapshot

import (
	"sync"
	"sync/atomic"
)

// share calls do for 0 … n-1, from as many goroutines as threads, in ascending order but for that. After an
// error no more are begun; the one of the smallest number is returned.
func share(threads, n int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Bool
	var mu sync.Mutex
	first, err := n, error(nil)
	var all sync.WaitGroup
	for range max(1, min(threads, n)) {
		all.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if e := do(i); e != nil {
					failed.Store(true)
					mu.Lock()
					if i < first {
						first, err = i, e
					}
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return err
}
