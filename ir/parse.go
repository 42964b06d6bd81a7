package ir

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Parse reads the text form of a program. Every value has to have the type that its op infers;
// all else that a program has to keep is Verify's matter. The error names the line.
func Parse(text string) (*Program, error) {
	return parse(text, true)
}

// Clone is a copy that shares nothing with p, its values under the same IDs.
func (p *Program) Clone() *Program {
	c, err := Parse(p.String())
	if err != nil {
		panic(fmt.Sprintf("BUG: program %s does not parse: %v", p.Name, err))
	}
	return c
}

// parse is Parse; unchecked, it takes wrong types and uses before definitions as they come, for
// the verifier to find.
func parse(text string, checked bool) (*Program, error) {
	ps := &parser{p: &Program{}, checked: checked}
	for i, l := range strings.Split(text, "\n") {
		l, pos, _ := strings.Cut(strings.TrimRight(l, "\r"), ";")
		if l = strings.TrimSpace(l); l == "" {
			continue
		}
		if err := ps.line(l, strings.TrimSpace(pos)); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if ps.p.Name == "" {
		return nil, fmt.Errorf("no line \"program NAME\"")
	}
	return ps.p, ps.endStage()
}

// A parser reads a program line by line.
type parser struct {
	p       *Program
	checked bool
	stage   *Stage         // in work
	values  map[ID]*Value  // of its function
	missing map[ID][]usage // unchecked: uses before the definition
	ended   bool           // its return was read
}

// A usage is one argument of a value.
type usage struct {
	v   *Value
	arg int
}

func (ps *parser) line(l, pos string) error {
	if strings.HasPrefix(l, "%") {
		return ps.value(l, pos)
	}
	word, rest, _ := strings.Cut(l, " ")
	if ps.p.Name == "" && word != "program" {
		return fmt.Errorf("%q before \"program NAME\"", word)
	}
	rest = strings.TrimSpace(rest)
	switch word {
	case "program":
		if ps.p.Name != "" || !isWord(rest) {
			return fmt.Errorf("want one line \"program NAME\"")
		}
		ps.p.Name = rest
		return nil
	case "state":
		return ps.state(rest)
	case "weight":
		return ps.weight(rest, pos)
	case "stage":
		return ps.startStage(rest)
	case "return":
		return ps.result(rest)
	case "entry":
		return ps.entry(rest)
	}
	return fmt.Errorf("%q, want program, state, weight, stage, %%ID, return or entry", word)
}

// state reads $kv ring window=8 layers=4 first=2 step=3 {k:f32[2 64] v:f32[2 64]}.
func (ps *parser) state(l string) error {
	head, parts, ok := strings.Cut(l, "{")
	parts, closed := strings.CutSuffix(parts, "}")
	words := strings.Fields(head)
	if !ok || !closed || len(words) < 2 {
		return fmt.Errorf("want \"state $NAME KIND {PART:TYPE …}\"")
	}
	name, err := symbol(words[0], "$")
	if err != nil {
		return err
	}
	if ps.p.State(name) != nil {
		return fmt.Errorf("state $%s is defined twice", name)
	}
	s := &State{Name: name, Layers: 1}
	k := slices.IndexFunc([]StateKind{Shared, Grow, Ring, Carry}, func(k StateKind) bool { return k.String() == words[1] })
	if k < 0 {
		return fmt.Errorf("%q is not a kind of state, want shared, grow, ring or carry", words[1])
	}
	s.Kind = StateKind(k)
	if err := options(words[2:], map[string]*int{"window": &s.Window, "layers": &s.Layers, "first": &s.First, "step": &s.Step}); err != nil {
		return err
	}
	list, err := attrWords(parts)
	if err != nil {
		return err
	}
	for _, w := range list {
		part, text, _ := strings.Cut(w, ":")
		t, err := parseType(text)
		if err != nil {
			return err
		}
		if !isWord(part) {
			return fmt.Errorf("%q is not a name", part)
		}
		s.Parts = append(s.Parts, Part{part, t})
	}
	ps.p.States = append(ps.p.States, s)
	return nil
}

// weight reads @self.q f32[64 64] layers=4 from self.q*0.125*diag(self.norm).
func (ps *parser) weight(l, pos string) error {
	head, from, hasFrom := strings.Cut(l+" ", " from ")
	words, err := attrWords(head)
	if err != nil {
		return err
	}
	if len(words) < 2 {
		return fmt.Errorf("want \"weight @NAME TYPE\"")
	}
	name, err := symbol(words[0], "@")
	if err != nil {
		return err
	}
	if ps.p.Weight(name) != nil {
		return fmt.Errorf("weight @%s is defined twice", name)
	}
	t, err := parseType(words[1])
	if err != nil {
		return err
	}
	w := &Weight{Name: name, Type: t, Pos: pos}
	if err := options(words[2:], map[string]*int{"layers": &w.Layers, "first": &w.First}); err != nil {
		return err
	}
	if !hasFrom {
		w.Pack.Sources = []Source{{Role: name, Scale: 1}}
	}
	for _, text := range strings.Fields(from) {
		s, err := parseSource(text)
		if err != nil {
			return err
		}
		w.Pack.Sources = append(w.Pack.Sources, s)
	}
	ps.p.Weights = append(ps.p.Weights, w)
	return nil
}

// parseSource is the inverse of Source.String.
func parseSource(text string) (Source, error) {
	factors := strings.Split(text, "*")
	s := Source{Role: factors[0], Scale: 1}
	ok := true
	if role, rows, stacked := strings.Cut(s.Role, "["); stacked {
		n, err := strconv.Atoi(strings.TrimSuffix(rows, "]"))
		ok = err == nil && n > 0 && strings.HasSuffix(rows, "]")
		s.Role, s.Rows = role, n
	}
	if role, negExp := strings.CutPrefix(s.Role, "-exp("); negExp {
		s.Role, s.NegExp = strings.CutSuffix(role, ")")
	}
	ok = ok && isWord(s.Role)
	for i, f := range factors[1:] {
		if gain, isGain := strings.CutPrefix(f, "diag("); isGain && s.Gain == "" {
			gain, closed := strings.CutSuffix(gain, ")")
			ok = ok && closed && isWord(gain)
			s.Gain = gain
			continue
		}
		x, err := strconv.ParseFloat(f, 64)
		ok = ok && err == nil && i == 0
		s.Scale = x
	}
	if !ok {
		return Source{}, fmt.Errorf("%q is not a source, want ROLE, ROLE[ROWS], ROLE*SCALE, ROLE*SCALE*diag(ROLE) or -exp(ROLE)", text)
	}
	return s, nil
}

// startStage reads self func=layer repeat=4.
func (ps *parser) startStage(l string) error {
	if err := ps.endStage(); err != nil {
		return err
	}
	words := strings.Fields(l)
	if len(words) == 0 || !isWord(words[0]) {
		return fmt.Errorf("want \"stage NAME\"")
	}
	if ps.p.Stage(words[0]) != nil {
		return fmt.Errorf("stage %s is defined twice", words[0])
	}
	st := &Stage{Name: words[0], Func: &Func{Name: words[0]}, Repeat: 1}
	words = words[1:]
	if len(words) > 0 && strings.HasPrefix(words[0], "func=") {
		st.Func.Name = words[0][len("func="):]
		if !isWord(st.Func.Name) {
			return fmt.Errorf("%q is not a name", st.Func.Name)
		}
		words = words[1:]
	}
	if err := options(words, map[string]*int{"repeat": &st.Repeat}); err != nil {
		return err
	}
	ps.stage, ps.values, ps.missing, ps.ended = st, map[ID]*Value{}, map[ID][]usage{}, false
	ps.p.Stages = append(ps.p.Stages, st)
	return nil
}

// endStage reports what was used and never defined.
func (ps *parser) endStage() error {
	if len(ps.missing) == 0 {
		return nil
	}
	return fmt.Errorf("stage %s: %v is not defined", ps.stage.Name, slices.Min(slices.Collect(maps.Keys(ps.missing))))
}

// entry reads prefill embed=all … head=last want=last.
func (ps *parser) entry(l string) error {
	words := strings.Fields(l)
	if len(words) < 2 || !isWord(words[0]) {
		return fmt.Errorf("want \"entry NAME STAGE=ROWS … want=ROWS\"")
	}
	if ps.p.Entry(words[0]) != nil {
		return fmt.Errorf("entry %s is defined twice", words[0])
	}
	e := &Entry{Name: words[0]}
	for i, w := range words[1:] {
		name, text, _ := strings.Cut(w, "=")
		rows := Last
		switch text {
		case "all":
			rows = All
		case "last":
		default:
			return fmt.Errorf("%q, want NAME=all or NAME=last", w)
		}
		if i == len(words)-2 {
			if name != "want" {
				return fmt.Errorf("%q, want want=all or want=last at the end", w)
			}
			e.Want = rows
			break
		}
		if i >= len(ps.p.Stages) || ps.p.Stages[i].Name != name {
			return fmt.Errorf("%q is not stage %d", name, i)
		}
		e.Rows = append(e.Rows, rows)
	}
	ps.p.Entries = append(ps.p.Entries, e)
	return nil
}

// symbol is a name after its sign.
func symbol(w, sign string) (string, error) {
	name, ok := strings.CutPrefix(w, sign)
	if !ok || !isWord(name) {
		return "", fmt.Errorf("%q is not a name, want %sNAME", w, sign)
	}
	return name, nil
}

// options reads key=number words.
func options(words []string, into map[string]*int) error {
	for _, w := range words {
		key, text, _ := strings.Cut(w, "=")
		p := into[key]
		if p == nil {
			return fmt.Errorf("%q is not an option here", w)
		}
		n, err := strconv.ParseUint(text, 10, 30)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		*p = int(n)
		delete(into, key)
	}
	return nil
}
