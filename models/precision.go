package models

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// A Precision is the format of some of the model's matrices, where they do not have the one that is
// asked for when the model is compiled. Of several that name a matrix the last counts.
//
// Its key is a role as if all layers were equal, or the beginning of some; after self and cross may
// stand a layer of that half or a range of them, from 0, the last included: head, self, cross.ffn,
// self.ffn.down, self.0, self.0-1.ffn.
type Precision struct {
	Key    string
	Format string // f32, bf16, q8 or q4
}

// precisions are the formats that a key may ask for.
var precisions = []string{"f32", "bf16", "q8", "q4"}

// A MatrixFormat is a Precision of one role.
type MatrixFormat struct {
	Role     Role
	From, To int // repeats of its place, the last included; both -1 of a role that no layer repeats
	Format   string
}

// MatrixFormats are the formats of the matrices that the spec's precision names. Of several for one
// the last counts.
func (s *Spec) MatrixFormats() []MatrixFormat {
	var all []MatrixFormat
	for _, p := range s.Precision {
		fs, _ := s.matrices(p)
		all = append(all, fs...)
	}
	return all
}

var layered = regexp.MustCompile(`^(self|cross)\.(0|[1-9][0-9]{0,8})(?:-(0|[1-9][0-9]{0,8}))?(\..*)?$`)

// matrices are what a precision names, or an error that says what is wrong with its key.
func (s *Spec) matrices(p Precision) ([]MatrixFormat, error) {
	name, from, to := p.Key, -1, -1
	if m := layered.FindStringSubmatch(p.Key); m != nil {
		name = m[1] + m[4]
		from, _ = strconv.Atoi(m[2])
		if to = from; m[3] != "" {
			to, _ = strconv.Atoi(m[3])
		}
		layers := s.Self.Len()
		if m[1] == "cross" {
			layers = s.Cross.Len()
		}
		if from > to || to >= layers {
			return nil, fmt.Errorf("there are no such layers: want some of 0-%d", layers-1)
		}
	}
	var found []MatrixFormat
	var known []string
	vector, elsewhere := false, false
	s.eachWeight(func(w WeightSpec, place *Place) {
		kind := string(w.Kind)
		if !w.Matrix() {
			vector = vector || kind == name
			return
		}
		if !slices.Contains(known, kind) {
			known = append(known, kind)
		}
		if kind != name && !strings.HasPrefix(kind, name+".") {
			return
		}
		f := MatrixFormat{w.Role, -1, -1, p.Format}
		if place != nil {
			f.From, f.To = place.repeats(from, to)
			if elsewhere = elsewhere || f.From > f.To; f.From > f.To {
				return
			}
		}
		found = append(found, f)
	})
	switch {
	case vector:
		return nil, fmt.Errorf("%s is a vector, and vectors are always f32", name)
	case name == "head" && s.TieEmbeddings:
		return nil, fmt.Errorf("the head is the embedding table: want embed")
	case len(found) == 0 && elsewhere:
		return nil, fmt.Errorf("names no matrix of these layers, though of others: matrices are %s", strings.Join(known, ", "))
	case len(found) == 0:
		return nil, fmt.Errorf("names no matrix of this model%s: matrices are %s", didYouMean(name, known), strings.Join(known, ", "))
	case p.Key == "embed" && p.Format == "q4" && !s.TieEmbeddings:
		return nil, fmt.Errorf("a table that is not the head too has no q4: want f32, bf16 or q8")
	}
	return found, nil
}

// repeats are those whose layers are among from to to of the half, all of them if from is negative;
// the first is larger than the last if there are none.
func (p *Place) repeats(from, to int) (first, last int) {
	if from < 0 {
		return 0, p.Repeat - 1
	}
	first = max(0, (from-p.First+p.Step-1)/p.Step)
	if to < p.First {
		return 1, 0
	}
	return first, min(p.Repeat-1, (to-p.First)/p.Step)
}

// precision checks the spec's precisions, of a model that is well described otherwise.
func (c *checker) precision() {
	s := c.spec
	type matrix struct {
		role  Role
		layer int
	}
	formats, keys := map[matrix]string{}, map[matrix]string{}
	for _, p := range s.Precision {
		at := "precision." + p.Key
		if !c.ok("precision", at) {
			continue
		}
		if !slices.Contains(precisions, p.Format) {
			c.fail(at, "%q is unknown: want %s", p.Format, strings.Join(precisions, " or "))
			continue
		}
		found, err := s.matrices(p)
		if err != nil {
			c.fail(at, "%v", err)
		}
		for _, f := range found {
			for l := f.From; l <= f.To; l++ {
				formats[matrix{f.Role, l}] = f.Format
				keys[matrix{f.Role, l}] = at
			}
		}
	}
	for _, p := range s.Places() {
		for l := range p.Repeat {
			a, b := matrix{Role(p.Prefix + ".ffn.gate"), l}, matrix{Role(p.Prefix + ".ffn.up"), l}
			if formats[a] == formats[b] {
				continue
			}
			at := keys[a]
			if at == "" {
				at = keys[b]
			}
			c.fail(at, "%s and %s are multiplied as one matrix: want the same format for both", p.Half+".ffn.gate", p.Half+".ffn.up")
			return
		}
	}
}

// precision reads a mapping of keys, which Check knows what to make of, to formats.
func (d *decoder) precision(n *yaml.Node, at string) {
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.ShortTag() != "!!str" {
			d.fail(k, at, "got %s as a key, want a role such as self.ffn.down", describe(k))
			continue
		}
		p := join(at, k.Value)
		switch first := seen[k.Value]; {
		case first != nil:
			d.fail(k, p, "is given twice: first in line %d", first.Line)
			continue
		case v.Kind != yaml.ScalarNode || !slices.Contains(precisions, v.Value):
			d.fail(v, p, "got %s, want %s", describe(v), strings.Join(precisions, " or "))
			continue
		}
		seen[k.Value] = k
		d.spec.src.at[p] = place{k.Line, k.Column}
		d.spec.Precision = append(d.spec.Precision, Precision{k.Value, v.Value})
	}
}
