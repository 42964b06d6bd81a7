// Command cancel measures how long a call goes on that was canceled at a random moment: a long prefill, and decoding.
//
//	go run ./tests/bench/cancel models/yoco-3b.yaml
//
// The clock runs from the cancelation until the call has returned, and the session stands after its last whole chunk or
// token again and takes the next call, which is made; the way to the model's process and back is in it. The command ends with
// status 1 where one took longer than -limit.
//
// It may not open a model other than through the driver.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/yococ/yococ/internal/driver"
)

// options are the flags.
type options struct {
	model         string
	formats       driver.Options
	run           driver.RunOptions
	seed          uint64
	n             int
	within, limit time.Duration
}

func main() {
	o := &options{}
	flag.StringVar(&o.formats.Weights, "weights", "q8", "`FORMAT` of the matrices")
	flag.StringVar(&o.formats.KV, "kv", "q8", "`FORMAT` of the cache")
	flag.Uint64Var(&o.seed, "random-weights", 1, "`SEED` of the weights, and of the moments")
	flag.IntVar(&o.run.Threads, "threads", 0, "`N` workers (default all processors, at most 16)")
	flag.IntVar(&o.n, "n", 50, "cancel `N` calls of each kind")
	flag.DurationVar(&o.within, "within", time.Second, "at a moment in the first `DURATION` of the call")
	flag.DurationVar(&o.limit, "limit", 100*time.Millisecond, "the longest `DURATION` that is no failure")
	flag.Parse()
	if o.model = flag.Arg(0); flag.NArg() != 1 || o.n < 1 || o.within <= 0 || o.run.Threads < 0 {
		fmt.Fprintln(os.Stderr, "cancel: want one SPEC.yaml and positive numbers")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "cancel:", err)
		os.Exit(1)
	}
}

// tokens is how many a call is given: more than it gets to.
const tokens = 1 << 16

func measure(ctx context.Context, o *options) error {
	o.formats.Random = &o.seed
	m, err := driver.Load(o.model, o.formats, true)
	if err != nil {
		return err
	}
	defer m.Close()
	cache, err := driver.OpenCache()
	if err != nil {
		return err
	}
	o.run.Context = tokens + 1
	r, err := cache.Run(ctx, m, o.run, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	text := make([]int32, tokens)
	random := rand.New(rand.NewPCG(o.seed, 0))
	for i := range text {
		text[i] = random.Int32N(int32(m.Spec.Vocab))
	}
	p := m.Package.Plan
	fmt.Printf("%s %s, cache %v, %d threads: calls canceled in their first %v\n", p.Package, p.Precision(), p.CacheElem, r.Info.Options.Threads, o.within)
	for _, k := range []struct {
		what string
		call func() error
	}{
		{"prefill", func() error {
			_, err := r.Prefill(text, nil)
			return err
		}},
		{"decode", func() error {
			return r.DecodeMany(text, func(int, []float32) error { return nil })
		}},
	} {
		var took []time.Duration
		for i := range o.n + 1 {
			if err := r.Reset(); err != nil {
				return err
			}
			t, err := cancel(k.call, r.Cancel, time.Duration(random.Int64N(int64(o.within))))
			if err == nil {
				_, err = r.Decode(text[0])
			}
			if err := errors.Join(err, ctx.Err()); err != nil {
				return fmt.Errorf("%s: %w", k.what, err)
			}
			if i > 0 { // pages of the first one are new
				took = append(took, t)
			}
		}
		slices.Sort(took)
		most := took[len(took)-1]
		fmt.Printf("%-8s %4d calls, median %6.2f ms, most %6.2f ms\n", k.what, len(took), ms(took[len(took)/2]), ms(most))
		if most > o.limit {
			return fmt.Errorf("%s: %v, want at most %v", k.what, most, o.limit)
		}
	}
	return nil
}

// cancel begins a call, ends it after a while, and returns how long it went on.
func cancel(call func() error, end func(), after time.Duration) (time.Duration, error) {
	returned := make(chan error, 1)
	go func() { returned <- call() }()
	select {
	case err := <-returned:
		if err == nil {
			err = fmt.Errorf("%d tokens took less than %v", tokens, after)
		}
		return 0, err
	case <-time.After(after):
	}
	start := time.Now()
	end()
	err := <-returned
	took := time.Since(start)
	if errors.Is(err, context.Canceled) {
		return took, nil
	}
	if err == nil {
		err = errors.New("it went on to its end")
	}
	return 0, err
}

func ms(d time.Duration) float64 { return 1e3 * d.Seconds() }
