// Command readspeed prints the gigabytes a second that N threads read from memory together: the best
// of a few passes over slices that no cache holds. It stands beside timings that memory bounds, since other
// guests of a machine take from its bandwidth, and that changes from minute to minute.
//
//	go run ./tests/bench/readspeed -threads 2
//
// Plain loads of Go reach what memory gives, not what a cache would. It may not import anything of ours.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

func main() {
	threads := flag.Int("threads", runtime.NumCPU(), "`N` threads")
	size := flag.Int("mb", 512, "megabytes that each reads, `SIZE`")
	passes := flag.Int("passes", 5, "how many `TIMES`")
	flag.Parse()
	if *threads < 1 || *size < 1 || *passes < 1 || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "readspeed: want positive numbers and no arguments")
		os.Exit(2)
	}
	fmt.Printf("%.1f\n", measure(*threads, *size<<20, *passes)/1e9)
}

// measure returns bytes a second of all threads together, size bytes each.
func measure(threads, size, passes int) float64 {
	parts := make([][]uint64, threads)
	for i := range parts {
		parts[i] = make([]uint64, size/8)
		for j := range parts[i] {
			parts[i][j] = uint64(j) // pages that were never written are all the same one
		}
	}
	var best float64
	for range passes {
		var wg sync.WaitGroup
		sums := make([]uint64, threads)
		start := time.Now()
		for i, p := range parts {
			wg.Go(func() { sums[i] = sum(p) })
		}
		wg.Wait()
		best = max(best, float64(threads)*float64(size)/time.Since(start).Seconds())
		for _, s := range sums {
			if n := uint64(size / 8); s != n*(n-1)/2 {
				panic("BUG: a wrong sum")
			}
		}
	}
	return best
}

// sum adds in four chains, so that loads wait for memory and not for additions.
func sum(p []uint64) uint64 {
	var a, b, c, d uint64
	for ; len(p) >= 8; p = p[8:] {
		a += p[0] + p[4]
		b += p[1] + p[5]
		c += p[2] + p[6]
		d += p[3] + p[7]
	}
	for _, v := range p {
		a += v
	}
	return a + b + c + d
}
