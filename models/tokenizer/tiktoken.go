package tokenizer

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
)

// A .tiktoken file has a line a token: its bytes in base64 and its rank, which is its id. The merge of
// lowest rank is done first, whatever the halves. The file says neither by which pattern texts are
// split nor which special tokens there are; that is told by the number of its tokens.

// encoding is what a known vocabulary does not say in its file.
type encoding struct {
	name    string
	split   splitter
	special []string // their ids follow each other; "" is one that does not exist
	from    int32    // id of the first
}

// encodings are known vocabularies by their number of ranks. One of another size is split as
// cl100k_base is, and has no special tokens.
var encodings = map[int]encoding{
	50256:  {"r50k_base", gpt2, []string{"<|endoftext|>"}, 50256},
	50280:  {"p50k_base", gpt2, []string{"<|endoftext|>"}, 50256},
	100256: {"cl100k_base", llama3, cl100kSpecial(), 100257},
	199998: {"o200k_base", o200k, append(append([]string{"<|endoftext|>"}, make([]string, 18)...), "<|endofprompt|>"), 199999},
	128000: {"Llama 3", llama3, llama3Special(), 128000},
	151643: {"Qwen", qwen2, qwenSpecial(), 151643},
}

func cl100kSpecial() []string {
	s := append([]string{"<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"}, make([]string, 15)...)
	return append(s, "<|endofprompt|>")
}

func llama3Special() []string {
	s := []string{"<|begin_of_text|>", "<|end_of_text|>"}
	for i := range 251 {
		switch i {
		case 4:
			s = append(s, "<|start_header_id|>", "<|end_header_id|>")
		case 5:
			s = append(s, "<|eot_id|>")
		}
		s = append(s, fmt.Sprintf("<|reserved_special_token_%d|>", i))
	}
	return s
}

func qwenSpecial() []string {
	s := []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}
	for i := range 205 {
		s = append(s, fmt.Sprintf("<|extra_%d|>", i))
	}
	return s
}

// What microsoft/unilm's TiktokenTokenizer (YOCO/yoco/tasks/data) changes: four tokens in front, so
// all ids are larger by four, and these beside those of cl100k_base. Two have one id there; it is
// read as the first of them.
var (
	unilmFront = []string{"<s>", "<pad>", "</s>", "<unk>"}
	unilmCode  = encoding{special: []string{
		"<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<reponame>", "<filename>", "<gh_stars>", "<issue_start>",
		"<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>", "<empty_output>",
		"<commit_before>", "<commit_msg>", "<commit_after>",
	}, from: 100264}
)

// maxToken bounds a token's bytes: what finds the halves of one takes the square of it.
const maxToken = 512

// isTiktoken reports whether a file begins with a line as ranks have it.
func isTiktoken(data []byte) bool {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	_, _, err := rankOf(line)
	return len(data) > 0 && err == nil
}

// rankOf reads a line.
func rankOf(line []byte) (text []byte, rank int32, err error) {
	code, number, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\r")), []byte(" "))
	if len(code) > 2*maxToken {
		return nil, 0, fmt.Errorf("the token is longer than %d bytes", maxToken)
	}
	text, err = base64.StdEncoding.DecodeString(string(code))
	n, numberErr := strconv.ParseInt(string(number), 10, 32)
	switch {
	case err != nil || numberErr != nil || len(text) == 0:
		return nil, 0, fmt.Errorf("%.80q: want a token in base64 and its rank", line)
	case len(text) > maxToken:
		return nil, 0, fmt.Errorf("the token is longer than %d bytes", maxToken)
	case n < 0 || n > maxID:
		return nil, 0, fmt.Errorf("rank %d is not in 0…%d", n, maxID)
	}
	return text, int32(n), nil
}

// ParseTiktoken reads the text of a .tiktoken file; file is its name in errors. If unilm is true, ids
// are those of microsoft/unilm's YOCO.
func ParseTiktoken(file string, data []byte, unilm bool) (*Tokenizer, error) {
	ranks := map[string]int32{}
	var texts []string
	for n := 1; len(data) > 0; n++ {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		text, rank, err := rankOf(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if _, twice := ranks[string(text)]; twice {
			return nil, fmt.Errorf("%s:%d: %q is there twice", file, n, text)
		}
		if grow := int(rank) + 1 - len(texts); grow > 0 {
			texts = append(texts, make([]string, grow)...)
		}
		if texts[rank] != "" {
			return nil, fmt.Errorf("%s:%d: %q and %q both have rank %d", file, n, texts[rank], text, rank)
		}
		texts[rank], ranks[string(text)] = string(text), rank
	}
	known, ok := encodings[len(ranks)]
	if !ok {
		known.split = llama3
	}
	var front int32
	kinds := []encoding{known}
	if unilm {
		front = int32(len(unilmFront))
		if known.name == "cl100k_base" {
			kinds = append(kinds, unilmCode)
		}
		texts = append(append([]string{}, unilmFront...), texts...)
		kinds = append(kinds, encoding{special: unilmFront, from: -front})
	}
	t := &Tokenizer{split: known.split}
	for _, k := range kinds {
		for i, name := range k.special {
			if name != "" {
				t.added = append(t.added, added{ID: front + k.from + int32(i), Content: name, Special: true})
			}
		}
	}
	for _, a := range t.added {
		if grow := int(a.ID) + 1 - len(texts); grow > 0 {
			texts = append(texts, make([]string, grow)...)
		}
		if texts[a.ID] == "" {
			texts[a.ID] = a.Content
		}
	}
	b := &bpe{merges: map[uint64]merged{}, whole: make(map[string]int32, len(ranks))}
	for c := range b.bytes {
		rank, ok := ranks[string([]byte{byte(c)})]
		if !ok {
			return nil, fmt.Errorf("%s: there is no token for the byte %#02x, so text would be lost", file, c)
		}
		b.bytes[c] = front + rank
	}
	for text, rank := range ranks {
		b.whole[text] = front + rank
		for i := 1; i < len(text); i++ {
			if left, ok := ranks[text[:i]]; ok {
				if right, ok := ranks[text[i:]]; ok {
					b.merges[pair(front+left, front+right)] = merged{rank, front + rank}
				}
			}
		}
	}
	t.model = b
	t.setTexts(texts)
	t.raw = newMatcher(t.added)
	if t.eos = t.usualEnd(); unilm {
		t.eos = 2
	}
	return t, nil
}
