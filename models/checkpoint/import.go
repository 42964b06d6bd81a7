package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/yococ/yococ/models"
)

const (
	unilmConfig = "params.json"
	jsonConfig  = "config.json"
	maxConfig   = 1 << 20 // bytes
)

// Import makes a spec of the description in a checkpoint's folder: params.json (unilm) or
// config.json (fla, Hugging Face). Keys that the description leaves out get the defaults of that project, with
// a comment in what Marshal writes. Notes say what a reader would not expect. The checkpoint's
// path is dir, the name is made from that of the folder. Tensors serve only to tell whether the
// head is tied; whether they fit is for Bind. What is wrong with the description comes back as
// models.Errors, all at once.
func Import(dir string) (spec *models.Spec, notes []string, err error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, nil, fmt.Errorf("checkpoint %s: %w", dir, cause(err))
	} else if !info.IsDir() {
		return nil, nil, fmt.Errorf("checkpoint %s: is not a folder", dir)
	}
	read, file := unilmSpec, filepath.Join(dir, unilmConfig)
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		read, file = jsonSpec, filepath.Join(dir, jsonConfig)
	}
	text, err := ReadText(file, maxConfig)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("checkpoint %s: there is neither %s (unilm) nor %s (fla, Hugging Face)", dir, unilmConfig, jsonConfig)
	case err != nil:
		return nil, nil, models.Errors{{File: file, Msg: cause(err).Error()}}
	}
	f, err := Open(dir)
	if err != nil {
		if !errors.Is(err, errNoTensors) {
			return nil, nil, err
		}
		f = nil
	} else {
		defer f.Close()
	}
	spec, notes, err = parseConfig(file, text, read, f)
	if err != nil {
		return nil, nil, err
	}
	spec.Name = models.PackageName(filepath.Base(absolute(dir)))
	spec.Checkpoint.Path = filepath.Clean(dir)
	var note string
	if spec.Tokenizer, note = findTokenizer(dir, spec); note != "" {
		notes = append(notes, note)
	}
	if f != nil {
		notes = append(notes, f.Notes...)
	} else {
		notes = append(notes, "there are no weights: whether the head is tied was taken from "+filepath.Base(file)+" alone")
	}
	return spec, notes, nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// parseConfig reads the text of a description with the reader of its dialect and checks the spec.
// f may be nil.
func parseConfig(file string, text []byte, read func(*config, *models.Spec, *Files), f *Files) (*models.Spec, []string, error) {
	c := &config{file: file, text: text, places: map[string]member{}}
	root, jerr := parseJSON(text)
	switch {
	case jerr != nil:
		c.fail(jerr.at, "", "%s", jerr.msg)
		return nil, nil, c.errs
	case root.kind != object:
		c.fail(root.at, "", "is %s: want an object", root)
		return nil, nil, c.errs
	}
	c.root = section{config: c, value: root}
	spec := &models.Spec{Name: "model", Norm: models.RMSNorm, EmbedScale: models.SqrtDim}
	read(c, spec, f)
	if len(c.errs) == 0 {
		c.check(spec)
	}
	if len(c.errs) > 0 {
		return nil, nil, c.errs.Sort()
	}
	for path, why := range c.comments {
		spec.Comment(path, why)
	}
	return spec, c.notes, nil
}

// modelTypes are the readers of a config.json, by its model_type.
var modelTypes = map[string]func(*config, *models.Spec, *Files){
	"yoco":    flaSpec,
	"llama":   llamaSpec,
	"mistral": mistralSpec,
	"qwen2":   qwen2Spec,
	"qwen3":   qwen3Spec,
}

// jsonSpec reads a config.json.
func jsonSpec(c *config, s *models.Spec, f *Files) {
	t := c.root.str("model_type", "")
	if read := modelTypes[t]; read != nil {
		read(c, s, f)
		return
	}
	v, ok := c.root.value.get("model_type")
	switch {
	case !ok:
		v = c.root.value
	case v.kind != str:
		return // reported
	}
	known := slices.Sorted(maps.Keys(modelTypes))
	c.fail(v.at, "model_type", "is %q, which is not supported: want %s%s", cut(t), strings.Join(known, ", "), hint(t, known))
}

// check has the spec's own rules applied, and says their errors about the keys of the description.
func (c *config) check(spec *models.Spec) {
	var es models.Errors
	if !errors.As(spec.Check(), &es) {
		return
	}
	type said struct{ key, msg string }
	once := map[said]bool{} // several places of the spec may come from one key
	for _, e := range es {
		m := c.places[e.Path]
		msg := e.Msg
		if m.key == "" {
			c.fail(0, "", "%s: %s", e.Path, msg)
			continue
		}
		if s := (said{m.key, msg}); !once[s] {
			once[s] = true
			c.fail(m.at, m.key, "%s (%s in a spec)", msg, e.Path)
		}
	}
}

// config collects what a description says, and what is wrong with it.
type config struct {
	file     string
	text     []byte
	root     section
	errs     models.Errors
	notes    []string
	comments map[string]string // by path in the spec
	places   map[string]member // by path in the spec: the key and place of the description it came from
}

func (c *config) fail(at int64, path, format string, args ...any) {
	line, col, source := lineOf(c.text, at)
	c.errs = append(c.errs, &models.Error{File: c.file, Line: line, Col: col, Path: path, Msg: fmt.Sprintf(format, args...), Source: source})
}

func (c *config) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// from notes that the key of the spec at path was taken from the description's key.
func (c *config) from(path string, s section, key string) {
	if v, ok := s.value.get(key); ok {
		c.places[path] = member{key: s.path(key), at: v.at}
		return
	}
	if c.comments == nil {
		c.comments = map[string]string{}
	}
	c.comments[path] = "default, not in " + filepath.Base(c.file)
	c.places[path] = member{key: s.path(key), at: s.value.at}
}

// section is an object of the description.
type section struct {
	*config
	name  string // of the object, "" for the whole
	value *value
}

func (s section) path(key string) string {
	if s.name == "" {
		return key
	}
	return s.name + "." + key
}

// sub gives an object in s, an empty one if it is absent or null.
func (s section) sub(key string) section {
	v, ok := s.value.get(key)
	if !ok || v.kind == null {
		v = &value{kind: object, at: s.value.at}
	} else if v.kind != object {
		s.fail(v.at, s.path(key), "is %s: want an object", v)
		v = &value{kind: object, at: v.at}
	}
	return section{config: s.config, name: s.path(key), value: v}
}

// integer reads a whole number; def stands for an absent key, and a nil def means it is required.
func (s section) integer(key string, def any) int {
	v, ok := s.need(key, def)
	if !ok {
		n, _ := def.(int)
		return n
	}
	n, err := strconv.Atoi(v.text)
	if v.kind != number || err != nil {
		s.fail(v.at, s.path(key), "is %s: want an integer", v)
		return 0
	}
	return n
}

// positive is integer for a required key whose 0 would mean a default in a spec, or nothing.
func (s section) positive(key string) int {
	before := len(s.errs)
	n := s.integer(key, nil)
	if n < 1 && len(s.errs) == before {
		v, _ := s.value.get(key)
		s.fail(v.at, s.path(key), "is %d: want at least 1", n)
	}
	return n
}

func (s section) float(key string, def any) float64 {
	v, ok := s.need(key, def)
	if !ok {
		x, _ := def.(float64)
		return x
	}
	x, err := strconv.ParseFloat(v.text, 64)
	if v.kind != number || err != nil {
		s.fail(v.at, s.path(key), "is %s: want a number", v)
	}
	return x
}

func (s section) boolean(key string, def bool) bool {
	v, ok := s.value.get(key)
	if !ok {
		return def
	}
	if v.kind != boolean {
		s.fail(v.at, s.path(key), "is %s: want true or false", v)
		return def
	}
	return v.text == "true"
}

func (s section) str(key, def string) string {
	v, ok := s.value.get(key)
	if !ok {
		return def
	}
	if v.kind != str {
		s.fail(v.at, s.path(key), "is %s: want a text", v)
		return def
	}
	return v.text
}

// need finds a key; its absence is an error if def is nil.
func (s section) need(key string, def any) (*value, bool) {
	v, ok := s.value.get(key)
	if !ok && def == nil {
		s.fail(s.value.at, s.path(key), "is missing")
	}
	return v, ok
}

// isNull reports whether a key is absent or null.
func (s section) isNull(key string) bool {
	v, ok := s.value.get(key)
	return !ok || v.kind == null
}

// lineOf gives line and column of a byte of text, and that line.
func lineOf(text []byte, at int64) (line, col int, source string) {
	at = min(max(at, 0), int64(len(text)))
	line, start := 1, 0
	for i, b := range text[:at] {
		if b == '\n' {
			line, start = line+1, i+1
		}
	}
	end := start
	for end < len(text) && text[end] != '\n' && text[end] != '\r' {
		end++
	}
	return line, 1 + len([]rune(string(text[start:at]))), string(text[start:end])
}
