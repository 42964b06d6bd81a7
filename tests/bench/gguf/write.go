package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
)

// alignment of the tensors in the file.
const alignment = 32

// The codes of metadata's types.
const (
	codeU32    = 4
	codeI32    = 5
	codeF32    = 6
	codeBool   = 7
	codeString = 8
	codeArray  = 9
)

// header is what stands before the tensors.
type header struct {
	bytes.Buffer
	keys uint64
}

func (h *header) put(vs ...any) {
	for _, v := range vs {
		if s, ok := v.(string); ok {
			h.put(uint64(len(s)), []byte(s))
			continue
		}
		if err := binary.Write(h, binary.LittleEndian, v); err != nil {
			panic(fmt.Sprintf("BUG: %T: %v", v, err))
		}
	}
}

func (h *header) key(name string, code uint32, vs ...any) {
	h.keys++
	h.put(name, code)
	h.put(vs...)
}

func (h *header) u32(name string, v int) { h.key(name, codeU32, uint32(v)) }

// metadata describes the model and its vocabulary.
func metadata(l llama, t tensorType) *header {
	h := &header{}
	h.key("general.architecture", codeString, "llama")
	h.key("general.name", codeString, l.name)
	h.u32("general.file_type", int(t.file))
	h.u32("general.quantization_version", 2)
	h.u32("general.alignment", alignment)
	h.u32("llama.vocab_size", l.vocab)
	h.u32("llama.context_length", l.context)
	h.u32("llama.embedding_length", l.dim)
	h.u32("llama.block_count", l.layers)
	h.u32("llama.feed_forward_length", l.ffn)
	h.u32("llama.attention.head_count", l.heads)
	h.u32("llama.attention.head_count_kv", l.kvHeads)
	h.u32("llama.attention.key_length", l.head)
	h.u32("llama.attention.value_length", l.head)
	h.u32("llama.rope.dimension_count", l.head)
	h.key("llama.rope.freq_base", codeF32, float32(l.theta))
	h.key("llama.attention.layer_norm_rms_epsilon", codeF32, float32(l.eps))

	tokens := firstTokens()
	controls, named := 3, len(tokens)
	for i := named; i < l.vocab; i++ {
		tokens = append(tokens, fmt.Sprintf("\u2581w%d", i))
	}
	scores, kinds := make([]float32, l.vocab), make([]int32, l.vocab)
	for i := range tokens {
		switch {
		case i == 0:
			kinds[i] = 2 // unknown
		case i < controls:
			kinds[i] = 3
		case i < controls+256:
			kinds[i] = 6 // a byte
		default:
			kinds[i], scores[i] = 1, float32(controls+256-i)
		}
	}
	h.key("tokenizer.ggml.model", codeString, "llama")
	h.key("tokenizer.ggml.tokens", codeArray, uint32(codeString), uint64(l.vocab))
	for _, t := range tokens {
		h.put(t)
	}
	h.key("tokenizer.ggml.scores", codeArray, uint32(codeF32), uint64(l.vocab), scores)
	h.key("tokenizer.ggml.token_type", codeArray, uint32(codeI32), uint64(l.vocab), kinds)
	h.u32("tokenizer.ggml.unknown_token_id", 0)
	h.u32("tokenizer.ggml.bos_token_id", 1)
	h.u32("tokenizer.ggml.eos_token_id", 2)
	h.key("tokenizer.ggml.add_bos_token", codeBool, true)
	return h
}

// typeOf is the type of a tensor in a file of matrices of type t.
func typeOf(x tensor, t tensorType) tensorType {
	if x.out == 0 {
		return f32
	}
	return t
}

func pad(n int) int { return -n & (alignment - 1) }

// write writes header, metadata, the list of tensors and their data.
func write(w io.Writer, l llama, t tensorType) error {
	meta, list, tensors := metadata(l, t), &header{}, l.tensors()
	offset := 0
	for _, x := range tensors {
		dims := []uint64{uint64(x.in), uint64(x.out)}
		if x.out == 0 {
			dims = dims[:1]
		}
		list.put(x.name, uint32(len(dims)), dims, typeOf(x, t).code, uint64(offset))
		n := typeOf(x, t).size(x.elems())
		offset += n + pad(n)
	}
	h := &header{}
	h.put([]byte("GGUF"), uint32(3), uint64(len(tensors)), meta.keys, meta.Bytes(), list.Bytes())
	h.Write(make([]byte, pad(h.Len())))
	if _, err := w.Write(h.Bytes()); err != nil {
		return err
	}
	r := rand.NewChaCha8([32]byte{})
	for _, x := range tensors {
		if err := writeTensor(w, r, x, t); err != nil {
			return err
		}
	}
	return nil
}

func writeTensor(w io.Writer, r *rand.ChaCha8, x tensor, t tensorType) error {
	if x.out == 0 {
		var ones bytes.Buffer
		for range x.in {
			ones.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(1)))
		}
		ones.Write(make([]byte, pad(ones.Len())))
		_, err := w.Write(ones.Bytes())
		return err
	}
	row := make([]byte, t.size(x.in))
	for range x.out {
		t.fill(r, row, 1/math.Sqrt(float64(x.in)))
		if _, err := w.Write(row); err != nil {
			return err
		}
	}
	_, err := w.Write(make([]byte, pad(x.out*len(row))))
	return err
}
