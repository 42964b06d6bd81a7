package checkpoint

import (
	"slices"
	"strings"

	"github.com/yococ/yococ/models"
)

// notMathematics are keys of a config.json of the transformers library that do not change what a
// model computes: how it is run, trained, saved, generated from.
var notMathematics = strings.Fields(`use_cache pad_token_id bos_token_id eos_token_id sep_token_id decoder_start_token_id initializer_range torch_dtype
	dtype transformers_version auto_map _name_or_path _commit_hash _attn_implementation_autoset attn_implementation
	return_dict output_hidden_states output_attentions use_return_dict torchscript id2label label2id num_labels
	problem_type finetuning_task task_specific_params tokenizer_class prefix is_decoder is_encoder_decoder
	keys_to_ignore_at_inference chunk_size_feed_forward gradient_checkpointing max_length min_length do_sample
	early_stopping num_beams num_beam_groups diversity_penalty temperature top_k top_p typical_p repetition_penalty
	length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences output_scores
	return_dict_in_generate forced_bos_token_id forced_eos_token_id remove_invalid_values
	exponential_decay_length_penalty suppress_tokens begin_suppress_tokens tf_legacy_loss use_bfloat16`)

// Keys of Llama's config.json, and of those of models like it: those that say what the model is …
var hfKeys = strings.Fields(`model_type architectures vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads
	num_key_value_heads head_dim hidden_act max_position_embeddings rms_norm_eps tie_word_embeddings rope_theta rope_scaling
	rope_parameters partial_rotary_factor attention_bias mlp_bias sliding_window use_sliding_window max_window_layers layer_types`)

// … and those that change nothing about it.
var hfOther = strings.Fields("attention_dropout pretraining_tp")

// A transformer is what the readers of Llama and models like it differ in.
type transformer struct {
	vocab, dim, hidden, layers, heads int // defaults
	kvHeads                           int // default; 0 for that of heads
	headDim                           int // default; 0 for dim/heads
	context                           int
	bias, outBias                     bool // of q, k and v, and of the output projection, where attention_bias is left out
	biasKey                           bool // attention_bias says whether all four have one
	qkNorm                            bool
	window                            int  // default of sliding_window; 0 for none
	switched                          bool // use_sliding_window says whether there are windows, in layers from max_window_layers on
}

func llamaSpec(c *config, s *models.Spec, f *Files) {
	c.transformer(s, f, transformer{vocab: 32000, dim: 4096, hidden: 11008, layers: 32, heads: 32, context: 2048, biasKey: true})
}

func mistralSpec(c *config, s *models.Spec, f *Files) {
	c.transformer(s, f, transformer{vocab: 32000, dim: 4096, hidden: 14336, layers: 32, heads: 32, kvHeads: 8, context: 4096 * 32, window: 4096})
}

func qwen2Spec(c *config, s *models.Spec, f *Files) {
	c.transformer(s, f, transformer{
		vocab: 151936, dim: 4096, hidden: 22016, layers: 32, heads: 32, kvHeads: 32, context: 32768, bias: true, window: 4096, switched: true,
	})
}

func qwen3Spec(c *config, s *models.Spec, f *Files) {
	c.transformer(s, f, transformer{
		vocab: 151936, dim: 4096, hidden: 22016, layers: 32, heads: 32, kvHeads: 32, headDim: 128, context: 32768, biasKey: true,
		qkNorm: true, window: 4096, switched: true,
	})
}

// transformer reads the config.json of a decoder-only Transformer: a self-decoder of attention
// without a cross-decoder. Rotations are half-split, embeddings unscaled.
func (c *config) transformer(s *models.Spec, f *Files, t transformer) {
	r := c.root
	r.known(hfKeys, append(hfOther, notMathematics...))
	if v, ok := r.value.get("hidden_act"); ok && v.text != "silu" {
		c.fail(v.at, "hidden_act", "is %s, which is not supported: want \"silu\"", v)
	}
	if v, ok := r.value.get("mlp_bias"); ok && r.boolean("mlp_bias", false) {
		c.fail(v.at, "mlp_bias", "is true: biases in feed-forward networks are not supported")
	}
	if v, ok := r.value.get("partial_rotary_factor"); ok && v.kind != null && r.float("partial_rotary_factor", 1.0) != 1 {
		c.fail(v.at, "partial_rotary_factor", "is %s: rotations of a part of a head are not supported", v)
	}
	s.Vocab, s.Dim = r.integer("vocab_size", t.vocab), r.integer("hidden_size", t.dim)
	s.Context = r.integer("max_position_embeddings", t.context)
	s.NormEps = r.float("rms_norm_eps", 1e-6)
	s.TieEmbeddings = r.boolean("tie_word_embeddings", false)
	s.EmbedScale = models.NoScale
	s.Checkpoint.Names = models.HuggingFace

	m := models.Attention{Heads: r.integer("num_attention_heads", t.heads), Bias: t.bias, OutBias: t.outBias, QKNorm: t.qkNorm, Rope: c.hfRope()}
	if m.KVHeads = t.kvHeads; t.kvHeads == 0 {
		m.KVHeads = m.Heads
	}
	if !r.isNull("num_key_value_heads") {
		m.KVHeads = r.integer("num_key_value_heads", nil)
	} else if _, given := r.value.get("num_key_value_heads"); given {
		m.KVHeads = m.Heads
	}
	if m.HeadDim = t.headDim; !r.isNull("head_dim") {
		m.HeadDim = r.positive("head_dim")
	}
	if m.Heads > 0 && s.Dim%m.Heads == 0 && m.HeadDim == s.Dim/m.Heads {
		m.HeadDim = 0 // the usual width goes without saying
	}
	if t.biasKey {
		m.Bias = r.boolean("attention_bias", false)
		m.OutBias = m.Bias
	} else if v, ok := r.value.get("attention_bias"); ok && r.boolean("attention_bias", t.bias) != t.bias {
		c.fail(v.at, "attention_bias", "is %s: models of this type have no such choice", v)
	}
	c.hfLayers(s, t, m, models.FFN{Hidden: r.integer("intermediate_size", t.hidden)})
	c.hfPlaces(s)
	if f != nil && !s.TieEmbeddings {
		if _, ok := f.Tensor(huggingFace["head"]); !ok {
			c.note("tie_word_embeddings is false, but there is no %s", huggingFace["head"])
		}
	}
}

// hfLayers makes the layers: those that sliding windows are asked for see the last tokens alone.
func (c *config) hfLayers(s *models.Spec, t transformer, m models.Attention, ffn models.FFN) {
	r := c.root
	n := r.integer("num_hidden_layers", t.layers)
	window, from := t.window, 0
	if v, ok := r.value.get("sliding_window"); ok && v.kind == null {
		window = 0
	} else if ok {
		window = r.positive("sliding_window")
	}
	if t.switched {
		if from = r.integer("max_window_layers", 28); !r.boolean("use_sliding_window", false) {
			window = 0
		}
	}
	if len(c.errs) > 0 || n < 1 || n > 1<<12 { // the last of which the spec's own rules refuse
		s.Self = models.Equal(n, &m, ffn)
		return
	}
	windowed := make([]bool, n)
	for l := range windowed {
		windowed[l] = window > 0 && l >= from
	}
	if v, ok := r.value.get("layer_types"); ok && v.kind != null {
		c.layerTypes(v, windowed, window)
	}
	for _, w := range windowed {
		full, rope := m, *m.Rope
		full.Rope = &rope
		var mixer models.Mixer = &full
		if w {
			mixer = &models.SlidingWindow{
				Heads: m.Heads, KVHeads: m.KVHeads, HeadDim: m.HeadDim, Window: window, Bias: m.Bias, OutBias: m.OutBias, QKNorm: m.QKNorm, Rope: &rope,
			}
		}
		s.Self.Append(models.Layer{Mixer: mixer, FFN: ffn})
	}
}

// layerTypes reads which layers have a window.
func (c *config) layerTypes(v *value, windowed []bool, window int) {
	const key = "layer_types"
	if v.kind != list || len(v.members) != len(windowed) {
		c.fail(v.at, key, "is %s of %d: want a list of %d, one a layer", v, len(v.members), len(windowed))
		return
	}
	for l, m := range v.members {
		item := m.value
		switch windowed[l] = item.text == "sliding_attention"; {
		case item.kind != str || !windowed[l] && item.text != "full_attention":
			c.fail(item.at, key, "%s is not supported: want \"full_attention\" or \"sliding_attention\"", item)
		case windowed[l] && window == 0:
			c.fail(item.at, key, "layer %d has a window, but there is no sliding_window", l)
		}
	}
}

// hfRope reads the rotation: from rope_theta or, in newer files, from rope_parameters.
func (c *config) hfRope() *models.Rope {
	rope := &models.Rope{Theta: c.root.float("rope_theta", 10000.0), Freq: models.FreqFLA, Pairing: models.HalfSplit}
	for _, name := range []string{"rope_scaling", "rope_parameters"} {
		s := c.root.sub(name)
		for _, m := range s.value.members {
			switch key := m.key; key {
			case "rope_type", "type":
				if m.value.text != "default" {
					c.fail(m.value.at, s.path(key), "is %s, which is not supported: want \"default\"", m.value)
				}
			case "rope_theta":
				rope.Theta = s.float(key, nil)
			case "partial_rotary_factor":
				if s.float(key, nil) != 1 {
					c.fail(m.value.at, s.path(key), "is %s: rotations of a part of a head are not supported", m.value)
				}
			default:
				c.fail(m.at, s.path(cut(key)), "is an unknown key, which may change what the model computes")
			}
		}
	}
	return rope
}

// hfPlaces says which key each part of the spec came from.
func (c *config) hfPlaces(s *models.Spec) {
	for path, key := range map[string]string{
		"vocab": "vocab_size", "dim": "hidden_size", "norm_eps": "rms_norm_eps", "context": "max_position_embeddings", "tie_embeddings": "tie_word_embeddings",
	} {
		c.from(path, c.root, key)
	}
	for _, p := range s.Places() {
		for key, from := range map[string]string{
			"heads": "num_attention_heads", "kv_heads": "num_key_value_heads", "head_dim": "head_dim",
		} {
			c.from(p.Mixed+"."+key, c.root, from)
		}
		if _, ok := p.Mixer.(*models.SlidingWindow); ok {
			c.from(p.Mixed+".window", c.root, "sliding_window")
		}
		if _, ok := c.root.value.get("rope_parameters"); !ok {
			c.from(p.Mixed+".rope.theta", c.root, "rope_theta")
		}
		c.from(p.At+".ffn.hidden", c.root, "intermediate_size")
		if !slices.Contains([]string{"self.layers", "cross.layers"}, p.Count) {
			continue
		}
		c.from(p.Count, c.root, "num_hidden_layers")
	}
}
