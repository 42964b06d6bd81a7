package ir

import (
	"fmt"
	"strconv"
	"strings"
)

// String is the text form of the program; Parse is its inverse.
func (p *Program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "program %s\n", p.Name)
	var lines []line
	for _, s := range p.States {
		lines = append(lines, line{fmt.Sprintf("state $%s %v", s.Name, s), ""})
	}
	for _, w := range p.Weights {
		lines = append(lines, line{"weight @" + w.Name + " " + w.text(), w.Pos})
	}
	if len(lines) > 0 {
		b.WriteByte('\n')
		printLines(&b, "", lines)
	}
	for _, st := range p.Stages {
		b.WriteByte('\n')
		b.WriteString(st.String())
	}
	if len(p.Entries) > 0 {
		b.WriteByte('\n')
	}
	for _, e := range p.Entries {
		fmt.Fprintf(&b, "entry %s", e.Name)
		for i, r := range e.Rows {
			name := "?"
			if i < len(p.Stages) {
				name = p.Stages[i].Name
			}
			fmt.Fprintf(&b, " %s=%v", name, r)
		}
		fmt.Fprintf(&b, " want=%v\n", e.Want)
	}
	return b.String()
}

// String is the text form of the stage.
func (st *Stage) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stage %s", st.Name)
	if st.Func.Name != st.Name {
		fmt.Fprintf(&b, " func=%s", st.Func.Name)
	}
	if st.Repeat != 1 {
		fmt.Fprintf(&b, " repeat=%d", st.Repeat)
	}
	fmt.Fprintf(&b, "\n%v", st.Func)
	return b.String()
}

// String is the text form of the function's values and result, a line each.
func (f *Func) String() string {
	var b strings.Builder
	var lines []line
	for _, v := range f.Values {
		lines = append(lines, line{v.String(), v.Pos})
	}
	if f.Result != nil {
		lines = append(lines, line{"return " + f.Result.ID.String(), ""})
	}
	printLines(&b, "  ", lines)
	return b.String()
}

// String is the text form without the position.
func (v *Value) String() string {
	var b strings.Builder
	b.WriteString(v.ID.String())
	if len(v.Type.Shape) > 0 {
		b.WriteString(":" + v.Type.String())
	}
	b.WriteString(" = " + v.Op.Name)
	for _, a := range v.Args {
		b.WriteString(" " + a.ID.String())
	}
	for _, w := range v.Weights {
		b.WriteString(" @" + w.Name)
	}
	if v.State != nil {
		b.WriteString(" $" + v.State.Name)
	}
	if t := attrText(v.Attr); t != "" {
		b.WriteString(" " + t)
	}
	return b.String()
}

// String is the text form without the name.
func (s *State) String() string {
	var b strings.Builder
	b.WriteString(s.Kind.String())
	if s.Window != 0 {
		fmt.Fprintf(&b, " window=%d", s.Window)
	}
	if s.Layers != 1 {
		fmt.Fprintf(&b, " layers=%d", s.Layers)
	}
	if s.First != 0 {
		fmt.Fprintf(&b, " first=%d", s.First)
	}
	if s.Step > 1 {
		fmt.Fprintf(&b, " step=%d", s.Step)
	}
	b.WriteString(" {")
	for i, p := range s.Parts {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p.Name + ":" + p.Type.String())
	}
	b.WriteByte('}')
	return b.String()
}

// text is what stands after the weight's name.
func (w *Weight) text() string {
	s := w.Type.String()
	if w.Layers != 0 {
		s += fmt.Sprintf(" layers=%d", w.Layers)
	}
	if w.First != 0 {
		s += fmt.Sprintf(" first=%d", w.First)
	}
	if src := w.Pack.Sources; len(src) == 1 && src[0] == (Source{Role: w.Name, Scale: 1}) {
		return s
	}
	s += " from"
	for _, src := range w.Pack.Sources {
		s += " " + src.String()
	}
	return s
}

// String is the text form, self.k[256]*0.125*diag(self.norm): in brackets its rows in a stack; or
// -exp(self.rates).
func (s Source) String() string {
	text := s.Role
	if s.NegExp {
		text = "-exp(" + s.Role + ")"
	}
	if s.Rows != 0 {
		text += "[" + strconv.Itoa(s.Rows) + "]"
	}
	if s.Scale != 1 {
		text += "*" + strconv.FormatFloat(s.Scale, 'g', -1, 64)
	}
	if s.Gain != "" {
		text += "*diag(" + s.Gain + ")"
	}
	return text
}

// A line is one line of text and the position in the spec that stands after it.
type line struct{ text, pos string }

// printLines writes lines with the positions in one column.
func printLines(b *strings.Builder, indent string, lines []line) {
	const widest = 88 // longer lines do not move the column
	column := 0
	for _, l := range lines {
		if l.pos != "" && len(l.text) <= widest {
			column = max(column, len(l.text))
		}
	}
	for _, l := range lines {
		b.WriteString(indent + l.text)
		if l.pos != "" {
			b.WriteString(strings.Repeat(" ", max(0, column-len(l.text))) + "  ; " + l.pos)
		}
		b.WriteByte('\n')
	}
}
