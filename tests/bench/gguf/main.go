package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"

	"github.com/yococ/yococ/models"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gguf:", err)
		os.Exit(2)
	}
}

func run(args []string) error {
	fs := flag.NewFlagSet("gguf", flag.ContinueOnError)
	name := fs.String("type", "q8_0", "`TYPE` of the matrices: f32, bf16, q8_0 or q4_0")
	out := fs.String("o", "", "`FILE` to write")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 1 || *out == "" {
		return fmt.Errorf("want -o FILE and one SPEC.yaml")
	}
	t, ok := types[*name]
	if !ok {
		return fmt.Errorf("-type %s: want f32, bf16, q8_0 or q4_0", *name)
	}
	spec, err := models.Load(fs.Arg(0))
	if err != nil {
		return err
	}
	l, err := newLlama(spec)
	if err != nil {
		return err
	}
	return create(*out, l, t)
}

// create writes the file under another name first, so that no half of one is taken for a whole one.
func create(name string, l llama, t tensorType) (err error) {
	f, err := os.Create(name + ".tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w, l, t); err != nil {
		f.Close()
		return err
	}
	if err := w.Flush(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
