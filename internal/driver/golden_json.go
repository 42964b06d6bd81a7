package driver

import (
	"fmt"
	"math"
)

// parseGolden reads golden.json: {"prompts": […]} with "weights" naming a format or not there, or
// {"weights": {format: {"prompts": […]}}}, of which dtype's are returned with the prefix that the
// tensors have then. What is wrong is an error with its place; keys that are not known are skipped.
func parseGolden(file string, text []byte, dtype string) (prompts []GoldenPrompt, prefix string, err error) {
	r := goldenReader{newJSONReader(file, text)}
	err = r.object("", "an object", func(key string) (err error) {
		switch {
		case key == "prompts" && prefix == "":
			prompts, err = r.prompts(key)
		case key == "weights" && r.peek() == '{':
			prompts, prefix = nil, dtype+"."
			err = r.object(key, "", func(format string) error {
				if format != dtype {
					return r.skip()
				}
				return r.object(key+"."+format, "an object with prompts", func(k string) (err error) {
					if k != "prompts" {
						return r.skip()
					}
					prompts, err = r.prompts(key + "." + format + ".prompts")
					return err
				})
			})
		default:
			err = r.skip()
		}
		return err
	})
	if err == nil {
		err = r.end()
	}
	if err == nil && len(prompts) == 0 {
		err = fmt.Errorf("%s: has no prompts for %s weights", file, dtype)
	}
	return prompts, prefix, err
}

func (r goldenReader) prompts(path string) (ps []GoldenPrompt, err error) {
	err = r.list(path, "a list of prompts", func(at string) error {
		p, err := r.prompt(at)
		ps = append(ps, p)
		return err
	})
	return ps, err
}

func (r goldenReader) prompt(path string) (p GoldenPrompt, err error) {
	const want = "a number from 0"
	start := r.next()
	err = r.object(path, "an object with tokens and greedy", func(key string) (err error) {
		at := path + "." + key
		switch key {
		case "tokens":
			p.Tokens, err = r.tokens(at)
		case "greedy":
			p.Greedy, err = r.tokens(at)
		case "gaps":
			p.Gaps = nil
			err = r.list(at, "a list of numbers", func(at string) error {
				x, err := r.number(at, want, math.Inf(1))
				p.Gaps = append(p.Gaps, x)
				return err
			})
		case "f32_reference_max_abs_diff":
			p.Diff, err = r.number(at, fmt.Sprintf("%s, below %d", want, maxDiff), maxDiff)
		default:
			err = r.skip()
		}
		return err
	})
	switch {
	case err != nil:
	case p.Tokens == nil:
		err = r.errAt(start, path, "tokens are missing")
	case p.Greedy == nil:
		err = r.errAt(start, path, "greedy is missing: want the tokens that follow")
	}
	return p, err
}

// A goldenReader reads the values of a golden.json.
type goldenReader struct{ *jsonReader }

// tokens reads a list that is not empty.
func (r goldenReader) tokens(path string) (ts []int32, err error) {
	const want = "a list of tokens"
	start := r.next()
	err = r.list(path, want, func(at string) error {
		from := r.next()
		x, err := r.number(at, "a token, an integer from 0", math.MaxInt32)
		if err == nil && x != math.Trunc(x) {
			err = r.errAt(from, at, "got %v, want a token, an integer from 0", x)
		}
		ts = append(ts, int32(x))
		return err
	})
	if err == nil && len(ts) == 0 {
		err = r.errAt(start, path, "is empty: want %s", want)
	}
	return ts, err
}
