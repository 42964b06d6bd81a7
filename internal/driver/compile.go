package driver

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yococ/yococ/asm"
	"github.com/yococ/yococ/codegen"
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/build"
	"github.com/yococ/yococ/ir/plan"
	"github.com/yococ/yococ/models"
	"github.com/yococ/yococ/passes"
)

// A Package is what a model is compiled to: the program after its last pass, the plan made of that,
// and the files written from the plan.
type Package struct {
	Program *ir.Program
	Plan    *plan.Plan
	Files   map[string][]byte // by base name: Go, and assembly with its declarations
}

// Formats are the element types of a model's matrices, of what quantized ones multiply, and of its
// shared cache.
type Formats struct {
	Checkpoint, Weights, Activations, KV ir.Elem
}

// Compile turns a spec into a package. dump, if not "", is a folder for the program before and
// after every pass, and for the plan; skip names passes to leave out. The same arguments give the
// same bytes.
func Compile(spec *models.Spec, f Formats, dump string, skip ...string) (*Package, error) {
	target, err := target(spec, f, skip)
	if err != nil {
		return nil, err
	}
	dumped := &dumper{dir: dump}
	if dump != "" {
		if err := os.MkdirAll(dump, 0o777); err != nil {
			return nil, err
		}
		target.Dump = func(n int, name, program string) {
			dumped.write(fmt.Sprintf("%02d_%s.ir", n, name), program)
		}
	}
	program, err := build.Program(spec)
	if err != nil {
		return nil, err
	}
	if err := passes.Optimize(program, target); err != nil {
		return nil, err
	}
	p, err := passes.Plan(program, target)
	if err != nil {
		return nil, err
	}
	dumped.write("plan.txt", p.String())
	if dumped.err != nil {
		return nil, dumped.err
	}
	files, err := files(p)
	return &Package{Program: program, Plan: p, Files: files}, err
}

// target is what a spec is compiled for.
func target(spec *models.Spec, f Formats, skip []string) (passes.Target, error) {
	target := passes.Target{
		Package: spec.Name, Source: sourceName(spec.File()), Context: spec.Context, Self: spec.Self.Len(), Cross: spec.Cross.Len(),
		Weights: f.Weights, Activations: f.Activations, Checkpoint: f.Checkpoint, KV: f.KV, Skip: skip,
	}
	for _, m := range spec.MatrixFormats() {
		elem, err := ir.ParseElem(m.Format)
		if err != nil {
			return target, err
		}
		target.Precision = append(target.Precision, passes.Precision{Role: string(m.Role), From: m.From, To: m.To, Elem: elem})
	}
	return target, nil
}

// sourceName is the base name of a spec as comments of the package have it: quoted where Go's comments could not hold it as it is,
// on one line.
func sourceName(file string) string {
	name := filepath.Base(file)
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// files are the Go files of a plan and the assembly of every level.
func files(p *plan.Plan) (map[string][]byte, error) {
	files, err := codegen.Files(p)
	if err != nil {
		return nil, err
	}
	for _, level := range plan.Levels {
		for family, kernels := range plan.Families(p.Kernels) {
			f, err := asm.Emit(p.Package, kernels, level, p.Streamed())
			if err != nil {
				return nil, err
			}
			files["kernels_"+family+level.Name+"_amd64.s"] = f.Asm
			files["kernels_"+family+level.Name+"_amd64.go"] = f.Stubs
		}
	}
	return files, nil
}

// A dumper writes texts to a folder until the first error; without a folder it does nothing.
type dumper struct {
	dir string
	err error
}

func (d *dumper) write(name, text string) {
	if d.dir != "" && d.err == nil {
		d.err = os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o666)
	}
}

// format is a flag's value, one of those known; of an unknown one the error names the flag.
func format(flag, value string, known ...ir.Elem) (ir.Elem, error) {
	if e, err := ir.ParseElem(value); err == nil && slices.Contains(known, e) {
		return e, nil
	}
	var names []string
	for _, e := range known {
		names = append(names, e.String())
	}
	last := len(names) - 1
	return 0, fmt.Errorf("%s %s is unknown: want %s or %s", flag, value, strings.Join(names[:last], ", "), names[last])
}
