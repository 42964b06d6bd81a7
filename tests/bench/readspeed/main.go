// Command readspeed prints the gigabytes a second that N threads read from memory together: the best
// of a few passes over slices that no cache holds. It stands beside timings that memory bounds, since other
// guests of a machine take from its bandwidth, and that changes from minute to minute.
//
//	go run ./tests/bench/readspeed -threads 2
//
// It may not import anything of ours but the runtime's probes and the names of the CPU's levels.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"

	"github.com/yococ/yococ/runtime/host/probe"
	"github.com/yococ/yococ/runtime/kernel"
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
	data := make([]byte, threads*size)
	for i := range data {
		data[i] = byte(i) // pages that were never written are all the same one
	}
	var best float64
	for range passes {
		best = max(best, probe.Read(kernel.Best(), data, threads))
	}
	return best
}
