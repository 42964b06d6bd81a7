package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/yococ/yococ/ir"
)

// Fingerprint is a hash of all that the bytes of the packed weight file depend on, the checkpoint
// apart.
func (p *Plan) Fingerprint() string {
	var b strings.Builder
	fmt.Fprintf(&b, "yococ weights 1\n%s\n", p.Package)
	p.printWeights(&b)
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:16])
}

// Identity is a hash of all that the states of a session depend on, values of weights apart: what was
// computed by one package may be gone on with by another that has the same.
func (p *Plan) Identity() string {
	var b strings.Builder
	fmt.Fprintf(&b, "yococ states 1\n%s %d %d %d %d %v\n", p.Package, p.Vocab, p.Dim, p.Self, p.Cross, p.CacheElem)
	p.printObjects(&b)
	p.printStates(&b)
	p.printWeights(&b)
	p.printStages(&b)
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:16])
}

// String is the plan as text: what codegen prints as Go, for people and for tests.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan %s: vocab %d, dim %d, %d+%d layers, weights %s, cache %v, context %d\n",
		p.Package, p.Vocab, p.Dim, p.Self, p.Cross, p.Precision(), p.CacheElem, p.Context)
	b.WriteString("\nobjects\n")
	p.printObjects(&b)
	b.WriteString("\nstates\n")
	p.printStates(&b)
	b.WriteString("\nweights\n")
	p.printWeights(&b)
	fmt.Fprintf(&b, "\nscratch for %d inputs", p.Scratch.Inputs)
	for _, o := range p.Scratch.Objects {
		fmt.Fprintf(&b, ", &%s", o)
	}
	fmt.Fprintf(&b, "\n\narena %d floats a token\n", p.ArenaFloats())
	for _, s := range p.Slots {
		fmt.Fprintf(&b, "  %7d +%-6d %-14s %-16s %s\n", s.Offset, s.Stride, s.Name, s.Value, s.When())
	}
	p.printStages(&b)
	b.WriteString("\nentries\n")
	for _, e := range p.Entries {
		fmt.Fprintf(&b, "  %s:", e.Name)
		for _, i := range e.Stages {
			b.WriteString(" " + p.Stages[i].Name)
		}
		b.WriteByte('\n')
	}
	b.WriteString("\nkernels\n ")
	for _, k := range p.Kernels {
		b.WriteString(" " + k.Name)
	}
	b.WriteByte('\n')
	return b.String()
}

func (p *Plan) printObjects(b *strings.Builder) {
	for _, o := range p.Objects {
		fmt.Fprintf(b, "  %s %s", o.Name, o.Type)
		for _, f := range o.Fields {
			fmt.Fprintf(b, " %s=%s", f.Name, printField(f.Value))
		}
		b.WriteByte('\n')
	}
}

func (p *Plan) printStates(b *strings.Builder) {
	for _, s := range p.States {
		fmt.Fprintf(b, "  %s %v layout=&%s", s.Name, s.Kind, s.Object)
		if s.Layers > 0 {
			fmt.Fprintf(b, " layers=%d", s.Layers)
		}
		if s.First > 0 {
			fmt.Fprintf(b, " first=%d", s.First)
		}
		if s.Step > 1 {
			fmt.Fprintf(b, " step=%d", s.Step)
		}
		b.WriteByte('\n')
	}
}

func (p *Plan) printStages(b *strings.Builder) {
	for _, s := range p.Stages {
		fmt.Fprintf(b, "\nstage %s ×%d\n", s.Name, s.Repeat)
		for _, st := range s.Steps {
			if st.Sync {
				b.WriteString("  sync\n")
			}
			fmt.Fprintf(b, "  %s(", st.Routine.Name)
			for i, o := range st.Operands {
				if i > 0 {
					b.WriteString(", ")
				}
				b.WriteString(printOperand(o))
			}
			fmt.Fprintf(b, ")  ; %s\n", st.Value)
		}
	}
}

func (p *Plan) printWeights(b *strings.Builder) {
	for i := range p.Weights {
		w := &p.Weights[i]
		fmt.Fprintf(b, "  %s %v", w.Name, w.Form)
		for _, t := range w.Tensors() {
			fmt.Fprintf(b, " %v%v", t.Elem, t.Shape())
		}
		if w.Alias != "" {
			fmt.Fprintf(b, " = %s", w.Alias)
		}
		if w.Half > 0 {
			fmt.Fprintf(b, " half=%d", w.Half)
		}
		if w.First > 0 {
			fmt.Fprintf(b, " first=%d", w.First)
		}
		for _, s := range w.Sources {
			fmt.Fprintf(b, " %v", s)
		}
		b.WriteByte('\n')
	}
}

func printField(v any) string {
	if ref, ok := v.(Ref); ok {
		if ref == "" {
			return "none"
		}
		return "&" + string(ref)
	}
	return fmt.Sprint(v)
}

func printOperand(o Operand) string {
	switch o := o.(type) {
	case SlotArg:
		return at(o.Slot, o.Col)
	case InputArg:
		s := at(o.Slot, o.Col)
		if o.Eps > 0 {
			gain := ""
			if o.Gain != "" {
				gain = " · @" + o.Gain
			}
			s = fmt.Sprintf("rmsnorm(%s, eps %g)%s", s, o.Eps, gain)
		}
		if o.Elem != ir.F32 {
			s = fmt.Sprintf("%v(%s)", o.Elem, s)
		}
		if o.Tmp != "" {
			s += " in " + o.Tmp
		}
		return s
	case WeightArg:
		if o == "" {
			return "none"
		}
		return "@" + string(o)
	case ObjectArg:
		if o == "" {
			return "none"
		}
		return "&" + string(o)
	case StateArg:
		return "$" + string(o)
	case PhasesArg:
		if o == "" {
			return "no phases"
		}
		return "phases " + string(o)
	case IntArg:
		return strconv.Itoa(int(o))
	case LayerArg:
		return fmt.Sprintf("layer %d+%dl", o.First, o.Step)
	case FloatArg:
		return fmt.Sprintf("%g", float64(o))
	case NameArg:
		return string(o)
	}
	panic(fmt.Sprintf("BUG: operand %T", o))
}

func at(slot string, col int) string {
	if col == 0 {
		return slot
	}
	return fmt.Sprintf("%s+%d", slot, col)
}
