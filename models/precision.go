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
// Its key is a role, or the beginning of some; after self and cross may stand a layer or a range of
// them, from 0, the last included: head, self, cross.ffn, self.ffn.down, self.0, self.0-1.ffn.
type Precision struct {
	Key    string
	Format string // f32, bf16, q8 or q4
}

// precisions are the formats that a key may ask for.
var precisions = []string{"f32", "bf16", "q8", "q4"}

// A MatrixFormat is a Precision of one role.
type MatrixFormat struct {
	Role     Role
	From, To int // layers, the last included; both -1 of a role that no layer repeats
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
		layers := s.Self.Layers
		if m[1] == "cross" {
			layers = s.Cross.Layers
		}
		if from > to || to >= layers {
			return nil, fmt.Errorf("there are no such layers: want some of 0-%d", layers-1)
		}
	}
	var found []MatrixFormat
	var known []string
	vector := false
	s.eachWeight(func(w WeightSpec, layers int) {
		role := string(w.Role)
		if len(w.Shape) != 2 {
			vector = vector || role == name
			return
		}
		known = append(known, role)
		if role != name && !strings.HasPrefix(role, name+".") {
			return
		}
		f := MatrixFormat{w.Role, -1, -1, p.Format}
		if layers > 0 {
			f.From, f.To = 0, layers-1
		}
		if from >= 0 {
			f.From, f.To = from, to
		}
		found = append(found, f)
	})
	switch {
	case vector:
		return nil, fmt.Errorf("%s is a vector, and vectors are always f32", name)
	case name == "head" && s.TieEmbeddings:
		return nil, fmt.Errorf("the head is the embedding table: want embed")
	case len(found) == 0:
		return nil, fmt.Errorf("names no matrix of this model%s: matrices are %s", didYouMean(name, known), strings.Join(known, ", "))
	case p.Key == "embed" && p.Format == "q4" && !s.TieEmbeddings:
		return nil, fmt.Errorf("a table that is not the head too has no q4: want f32, bf16 or q8")
	}
	return found, nil
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
	for _, half := range []string{"self", "cross"} {
		gate, up := Role(half+".ffn.gate"), Role(half+".ffn.up")
		for l := range max(s.Self.Layers, s.Cross.Layers) {
			a, b := matrix{gate, l}, matrix{up, l}
			if formats[a] == formats[b] {
				continue
			}
			at := keys[a]
			if at == "" {
				at = keys[b]
			}
			c.fail(at, "%s and %s are multiplied as one matrix: want the same format for both", gate, up)
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
