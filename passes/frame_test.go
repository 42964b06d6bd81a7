package passes

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

var (
	paramLine  = regexp.MustCompile(`= param`)
	sharedLine = regexp.MustCompile(`(?m)^state \$(\S+) shared \{k:f32\[(\d+) (\d+)\] v:f32\[(\d+) (\d+)\]\}`)
	widthOf    = regexp.MustCompile(`f32\[(\d+)\] = param`)
)

// frame makes a program of a case. A whole program stays as it is. A fragment is weights, states
// and some stages, or the values of one stage, self; around it come a stage each that it does not
// have: embed, share, which fills a small cache with parts of the stream, and head, which returns
// the stream; and the entries prefill, for the last row, and score, for all. A fragment for the
// planner, of operations that have routines, gets stages of such.
func frame(t *testing.T, d *datadriven.TestData) (program string, shown []string) {
	if strings.HasPrefix(strings.TrimSpace(d.Input), "program ") {
		return d.Input, nil
	}
	rope, head := "", "return %%0\n"
	if d.Cmd == "select" {
		rope, head = " {rope=100/yoco/interleaved}", "%%1:f32[11] = project %%0 @head\nreturn %%1\n"
	}
	width := 8
	if m := widthOf.FindStringSubmatch(d.Input); m != nil {
		width, _ = strconv.Atoi(m[1])
	}
	var decls, order []string
	stages := map[string]string{}
	stage, header := "self", "stage self"
	for _, l := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		switch f := strings.Fields(l); {
		case len(f) == 0:
		case f[0] == "state" || f[0] == "weight":
			decls = append(decls, l)
		case f[0] == "stage":
			stage, header = f[1], l
		default:
			if stages[stage] == "" {
				stages[stage] = header + "\n"
				order = append(order, stage)
			}
			stages[stage] += l + "\n"
		}
	}
	shown = slices.Clone(order)
	add := func(at int, name, body string) {
		if stages[name] == "" {
			stages[name] = "stage " + name + "\n" + body
			order = slices.Insert(order, at, name)
		}
	}
	all := strings.Join(decls, "\n")
	if stages["embed"] == "" {
		decls = append(decls, fmt.Sprintf("weight @embed f32[11 %d]", width))
		add(0, "embed", fmt.Sprintf("%%0:f32[%d] = embed @embed\nreturn %%0\n", width))
	}
	kv := []string{"", "kv", "1", "2", "1", "2"}
	if m := sharedLine.FindStringSubmatch(all); m != nil {
		kv = m
	} else {
		decls = append(decls, "state $kv shared {k:f32[1 2] v:f32[1 2]}")
	}
	if !strings.Contains(d.Input, " = share ") {
		at := len(order)
		if i := slices.IndexFunc(order, func(n string) bool { return n == "cross" || n == "head" }); i >= 0 {
			at = i
		}
		n, _ := strconv.Atoi(kv[4])
		m, _ := strconv.Atoi(kv[5])
		add(at, "share", fmt.Sprintf("%%0:f32[%d] = param\n%%1:f32[%s %s] = slice %%0 {shape=[%s %s]}\n%%2:f32[%d %d] = slice %%0 {from=%d shape=[%d %d]}\n%%3 = share %%1 %%2 $%s%s\nreturn %%0\n",
			width, kv[2], kv[3], kv[2], kv[3], n, m, width-n*m, n, m, kv[1], rope))
	}
	if stages["head"] == "" && d.Cmd == "select" {
		decls = append(decls, fmt.Sprintf("weight @head f32[11 %d]", width))
	}
	add(len(order), "head", fmt.Sprintf("%%0:f32[%d] = param\n"+head, width))

	var b strings.Builder
	b.WriteString("program framed\n" + strings.Join(decls, "\n") + "\n")
	for _, n := range order {
		b.WriteString(stages[n])
	}
	for _, e := range []struct{ name, want string }{{"prefill", "last"}, {"score", "all"}} {
		b.WriteString("entry " + e.name)
		for _, n := range order {
			rows := "all"
			if n == "head" {
				rows = e.want
			}
			b.WriteString(" " + n + "=" + rows)
		}
		b.WriteString(" want=" + e.want + "\n")
	}
	if !paramLine.MatchString(d.Input) && len(shown) == 1 && shown[0] == "self" {
		d.Fatalf(t, "the fragment has no param")
	}
	return b.String(), shown
}
