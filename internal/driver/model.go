package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/yococ/yococ/codegen/pack"
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
	"github.com/yococ/yococ/models/checkpoint"
)

// Options are what a command line says of a model beyond its spec.
type Options struct {
	Checkpoint  string  // folder with the tensors; "" is the spec's own
	Random      *uint64 // made-up weights of this seed instead
	Weights     string  // f32, bf16, q8 or q4; "" is the checkpoint's own format, bf16 where there is none
	Activations string  // f32 or q8; "" is q8 if weights are q8 or q4, else f32
	KV          string  // f32, bf16, q8 or q4; "" is f32
	Context     int     // default context; 0 is the spec's
	Package     string  // name of the package; "" is the spec's
	Uniform     bool    // all matrices in Weights, whatever precision the spec gives some of them
	DumpIR      string  // folder for the program before and after every pass, "" for none

	Skip []string // passes to leave out
}

// A Model is a spec with its tensors, compiled.
type Model struct {
	Spec    *models.Spec
	Package *Package

	files   *checkpoint.Files // nil without a checkpoint
	bound   *checkpoint.Bound
	stamps  string // of files when they were opened
	random  *uint64
	formats Formats
	skip    []string // passes that were left out
}

// errNoWeights is returned where weights are needed and the spec and flags name none.
var errNoWeights = errors.New("names no checkpoint: want --checkpoint DIR or --random-weights SEED")

// Load reads a spec, binds its checkpoint if there is one, and compiles it. A checkpoint that is
// asked for must be there; one that only the spec names may be missing unless needed is set.
func Load(path string, o Options, needed bool) (*Model, error) {
	spec, err := models.Load(path)
	if err != nil {
		return nil, err
	}
	m := &Model{Spec: spec, random: o.Random, skip: o.Skip}
	if o.Uniform {
		spec.Precision = nil
	}
	if o.Package != "" {
		if err := models.ValidName(o.Package); err != nil {
			return nil, fmt.Errorf("--package %s: %w", o.Package, err)
		}
		spec.Name = o.Package
	}
	if o.Context != 0 {
		spec.Context = o.Context
		if err := spec.Check(); err != nil {
			return nil, fmt.Errorf("--context %d: %w", o.Context, err)
		}
	}
	if o.Random == nil {
		if err := m.bind(o.Checkpoint, needed); err != nil {
			return nil, err
		}
	}
	if err := m.choose(o); err != nil {
		return nil, err
	}
	if m.Package, err = Compile(spec, m.formats, o.DumpIR, o.Skip...); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// bind opens the checkpoint in dir, or else the spec's, and finds every weight's tensor.
func (m *Model) bind(dir string, needed bool) error {
	asked := dir != ""
	if !asked {
		dir = m.Spec.Checkpoint.Path
	}
	if dir == "" {
		if needed {
			return fmt.Errorf("%s %w", m.Spec.File(), errNoWeights)
		}
		return nil
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && !asked && !needed {
		return nil
	}
	files, err := checkpoint.Open(dir)
	if err == nil {
		m.files = files
		m.stamps, err = stamps(sources(files))
	}
	if err == nil {
		m.bound, err = checkpoint.Bind(m.Spec, files)
	}
	if err != nil {
		m.Close()
	}
	return err
}

// choose settles the element types.
func (m *Model) choose(o Options) (err error) {
	own := ir.BF16
	if m.bound != nil {
		if own, err = ir.ParseElem(string(m.bound.DType())); err != nil {
			return err
		}
	}
	m.formats = Formats{Checkpoint: own, Weights: own, KV: ir.F32}
	switch {
	case o.Weights != "":
		m.formats.Weights, err = format("--weights", o.Weights, ir.F32, ir.BF16, ir.Q8, ir.Q4)
	case own == ir.F16:
		m.formats.Weights = ir.F32 // the smallest that holds all of it
	}
	if err == nil && o.KV != "" {
		m.formats.KV, err = format("--kv", o.KV, ir.F32, ir.BF16, ir.Q8, ir.Q4)
	}
	quantized := m.formats.Weights.Quantized() || m.hasMatrices("q8") || m.hasMatrices("q4")
	if quantized {
		m.formats.Activations = ir.Q8
	}
	if err == nil && o.Activations != "" {
		m.formats.Activations, err = format("--activations", o.Activations, ir.F32, ir.BF16, ir.Q8)
	}
	switch a := m.formats.Activations; {
	case err != nil:
	case quantized && a != ir.Q8:
		return fmt.Errorf("--activations %v: weights in q8 and q4 multiply q8 activations alone", a)
	case !quantized && a == ir.Q8:
		return fmt.Errorf("--activations q8: no weights are in q8 or q4, which multiply them: want --weights q8 or q4")
	case a == ir.BF16 && m.formats.Weights != ir.BF16 && !m.hasMatrices("bf16"):
		return fmt.Errorf("--activations bf16: no weights are in bf16, which multiply them: want --weights bf16")
	}
	return err
}

// hasMatrices reports whether the spec asks for single matrices in a format.
func (m *Model) hasMatrices(format string) bool {
	return slices.ContainsFunc(m.Spec.MatrixFormats(), func(f models.MatrixFormat) bool { return f.Format == format })
}

// Close unmaps the checkpoint.
func (m *Model) Close() error {
	if m.files == nil {
		return nil
	}
	return m.files.Close()
}

// HasWeights reports whether there is anything to pack.
func (m *Model) HasWeights() bool { return m.bound != nil || m.random != nil }

// DType is the format of the checkpoint's matrices: f32, bf16 or f16.
func (m *Model) DType() string { return m.formats.Checkpoint.String() }

// Pack writes the model's weight file to path.
func (m *Model) Pack(ctx context.Context, path string, progress func(done, total int64)) error {
	var src pack.Source
	switch {
	case m.random != nil:
		src = pack.Random(*m.random)
	case m.bound != nil:
		src = trained{m.bound}
	default:
		return fmt.Errorf("%s %w", m.Spec.File(), errNoWeights)
	}
	err := pack.Write(ctx, m.Package.Plan, src, path, progress)
	var value *pack.ValueError
	if errors.As(err, &value) && m.bound != nil {
		t := m.bound.Weight(models.Role(value.Role), value.Layer)
		at := fmt.Sprintf("[%d]", value.Col)
		if value.Row >= 0 {
			at = fmt.Sprintf("[%d %d]", value.Row, value.Col)
		}
		return &checkpoint.FormatError{File: t.File, Tensor: t.Name, Offset: -1, Msg: fmt.Sprintf(
			"element %s is %v: only numbers below 2^127 can be quantized", at, value.Value)}
	}
	return err
}

// Build makes dir hold the package, and its packed weights if there are any: all of it, or if there
// is an error nothing. weights is their path, or "".
func (m *Model) Build(ctx context.Context, dir string, p Progress) (weights string, err error) {
	if !m.HasWeights() {
		return "", WriteFiles(dir, m.Package.Files)
	}
	name := m.Package.Plan.Package
	file := m.weightsName()
	err = WriteFiles(dir, m.Package.Files, Large{file, func(path string) error {
		return m.Pack(ctx, path, func(done, total int64) { p.tell("packing "+name, done, total) })
	}})
	return filepath.Join(dir, file), err
}

// CheckBuilt says how dir differs from what Build would make of it, a line a file. Of the weights
// it reads the header.
func (m *Model) CheckBuilt(dir string) ([]string, error) {
	diffs, err := CheckFiles(dir, m.Package.Files)
	if err != nil || !m.HasWeights() {
		return diffs, err
	}
	path := filepath.Join(dir, m.weightsName())
	switch err := m.checkWeights(path); {
	case errors.Is(err, fs.ErrNotExist):
		diffs = append(diffs, path+" is missing")
	case err != nil:
		diffs = append(diffs, err.Error())
	}
	return diffs, nil
}

// weightsName is the base name of the weights beside the package.
func (m *Model) weightsName() string { return m.Package.Plan.Package + ".packed.safetensors" }

// trained gives a checkpoint's values.
type trained struct{ bound *checkpoint.Bound }

func (t trained) Read(dst []float32, role string, layer, _, from int) error {
	return t.bound.Weight(models.Role(role), layer).Read(dst, from)
}
