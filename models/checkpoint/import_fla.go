package checkpoint

import (
	"math"
	"slices"
	"strings"

	"github.com/yococ/yococ/models"
)

// Keys of a config.json of flash-linear-attention's YOCOConfig that say what the model is.
var flaKeys = strings.Fields(`model_type architectures hidden_size num_self_decoder_layers num_hidden_layers self_decoder_attn cross_decoder_attn
	max_position_embeddings hidden_ratio intermediate_size hidden_act norm_eps tie_word_embeddings vocab_size attnres_block_size`)

// flaOther are those of it that do not change what it computes.
var flaOther = strings.Fields("fuse_norm fuse_swiglu fuse_cross_entropy fuse_linear_cross_entropy use_l2warp")

// Keys of the two attention sections. Saved files hold those of every type, whichever it is.
var (
	flaSelfKeys = strings.Fields(`type mode use_gate expand_v use_short_conv allow_neg_eigval conv_size head_dim num_heads num_v_heads
		window_size qkv_bias rope_theta rope_inv_freq gate_logit_normalizer`)
	flaCrossKeys = strings.Fields("num_heads num_kv_heads qkv_bias qk_norm window_size rope_theta rope_inv_freq")
)

// flaSpec reads a config.json of model_type yoco; defaults are those of YOCOConfig.
func flaSpec(c *config, s *models.Spec, f *Files) {
	r := c.root
	if v, ok := r.value.get("attnres_block_size"); ok && v.kind != null {
		c.fail(v.at, "attnres_block_size", "is %s: attention residuals are not supported", v)
	}
	if v, ok := r.value.get("hidden_act"); ok && v.text != "swish" && v.text != "silu" {
		c.fail(v.at, "hidden_act", "is %s, which is not supported: want \"swish\" or \"silu\"", v)
	}
	self, cross := r.sub("self_decoder_attn"), r.sub("cross_decoder_attn")
	r.known(flaKeys, append(flaOther, notMathematics...))
	self.known(flaSelfKeys, nil)
	cross.known(flaCrossKeys, nil)

	total, layers := r.integer("num_hidden_layers", 21), r.integer("num_self_decoder_layers", 10)
	s.Dim, s.Vocab = r.integer("hidden_size", 2048), r.integer("vocab_size", 32000)
	s.Context = r.integer("max_position_embeddings", 2048)
	s.NormEps = r.float("norm_eps", 1e-6)
	if len(c.errs) == 0 && total < layers {
		v, ok := r.value.get("num_hidden_layers")
		if !ok {
			v = r.value
		}
		c.fail(v.at, "num_hidden_layers", "%d layers in all, %d of them in the self-decoder: want as many or more", total, layers)
	}
	ffn := models.FFN{Hidden: c.flaHidden(s.Dim)}
	s.Self = models.Equal(layers, flaMixer(self), ffn)

	m := &models.CrossAttention{Heads: cross.integer("num_heads", 32), Bias: cross.boolean("qkv_bias", false), QNorm: cross.boolean("qk_norm", false)}
	cache := &models.Cache{KVHeads: m.Heads, Bias: m.Bias, Rope: cross.rope()}
	if !cross.isNull("num_kv_heads") {
		cache.KVHeads = cross.integer("num_kv_heads", nil)
	}
	if total != layers { // else there is neither
		s.Cross, s.Cache = models.Equal(total-layers, m, ffn), cache
	}
	if !cross.isNull("window_size") {
		c.note("cross_decoder_attn.window_size is ignored, as fla's model ignores it")
	}

	s.Checkpoint.Names = models.FLA
	s.TieEmbeddings = r.boolean("tie_word_embeddings", false)
	if f != nil && !s.TieEmbeddings {
		if _, ok := f.Tensor(fla["head"]); !ok {
			c.note("tie_word_embeddings is false, but there is no %s", fla["head"])
		}
	}
	c.flaPlaces(self, cross)
}

// flaMixer reads self_decoder_attn; nil stands for an error.
func flaMixer(self section) models.Mixer {
	heads := self.integer("num_heads", 6)
	switch t := self.str("type", "gated_deltanet"); t {
	case "gated_retention":
		self.from("self.mixer.gate_normalizer", self, "gate_logit_normalizer")
		self.from("self.mixer.rope.freq", self, "rope_inv_freq")
		return &models.GatedRetention{Heads: heads, GateNormalizer: self.float("gate_logit_normalizer", 16.0), Rope: *self.rope()}
	case "swa":
		m := &models.SlidingWindow{Heads: heads, KVHeads: heads, Bias: self.boolean("qkv_bias", false), Rope: self.rope()}
		m.Rope.Freq, m.Rope.Pairing = models.FreqFLA, models.HalfSplit
		if !self.isNull("num_v_heads") {
			m.KVHeads = self.integer("num_v_heads", nil)
		}
		if self.isNull("window_size") {
			self.fail(self.value.at, self.path("window_size"), "is missing: type swa wants it")
		} else {
			m.Window = self.integer("window_size", nil)
		}
		if self.str("rope_inv_freq", "fla") != "fla" {
			self.note("self_decoder_attn.rope_inv_freq is ignored, as fla's swa ignores it: the frequencies are fla's")
		}
		self.from("self.mixer.kv_heads", self, "num_v_heads")
		self.from("self.mixer.window", self, "window_size")
		self.from("self.mixer.bias", self, "qkv_bias")
		return m
	case "gated_deltanet":
		m := &models.GatedDeltaNet{
			Heads: heads, ValueHeads: heads, HeadDim: self.integer("head_dim", 256), ExpandV: self.float("expand_v", 2.0),
			UseGate: self.boolean("use_gate", true), UseShortConv: self.boolean("use_short_conv", true), ConvSize: 4,
			AllowNegEigen: self.boolean("allow_neg_eigval", false),
		}
		if !self.isNull("num_v_heads") {
			m.ValueHeads = self.integer("num_v_heads", nil)
		}
		if m.UseShortConv {
			m.ConvSize = self.integer("conv_size", 4)
		}
		for path, key := range map[string]string{
			"v_heads": "num_v_heads", "head_dim": "head_dim", "expand_v": "expand_v", "use_gate": "use_gate",
			"use_short_conv": "use_short_conv", "conv_size": "conv_size", "allow_neg_eigval": "allow_neg_eigval",
		} {
			self.from("self.mixer."+path, self, key)
		}
		return m
	default:
		v, ok := self.value.get("type")
		if !ok {
			v = self.value
		}
		self.fail(v.at, self.path("type"), "is %q, which is not supported: want \"gated_deltanet\", \"gated_retention\" or \"swa\"", cut(t))
		return nil
	}
}

// rope reads a section's rotation: interleaved pairs.
func (s section) rope() *models.Rope {
	freq := models.Freq(s.str("rope_inv_freq", "fla"))
	if freq != models.FreqFLA && freq != models.FreqYOCO {
		v, _ := s.value.get("rope_inv_freq")
		s.fail(v.at, s.path("rope_inv_freq"), "is %s: want \"fla\" or \"yoco\"", v)
	}
	return &models.Rope{Theta: s.float("rope_theta", 10000.0), Freq: freq, Pairing: models.Interleaved}
}

// flaHidden gives the FFN's width: intermediate_size or, if that is null, two thirds of
// hidden_ratio times the model's, rounded up to a multiple of 256.
func (c *config) flaHidden(dim int) int {
	r := c.root
	if !r.isNull("intermediate_size") {
		c.from("self.ffn.hidden", r, "intermediate_size")
		c.from("cross.ffn.hidden", r, "intermediate_size")
		return r.integer("intermediate_size", nil)
	}
	ratio := 4.0
	if !r.isNull("hidden_ratio") {
		ratio = r.float("hidden_ratio", 4.0)
	}
	n := math.Trunc(float64(dim) * ratio * 2 / 3)
	if !(n >= 1 && n < 1<<30) {
		if len(c.errs) == 0 {
			c.fail(r.value.at, "hidden_ratio", "%v gives an FFN %v wide", ratio, n)
		}
		return 0
	}
	c.from("self.ffn.hidden", r, "hidden_ratio")
	c.from("cross.ffn.hidden", r, "hidden_ratio")
	return (int(n) + 255) / 256 * 256
}

// flaPlaces says which key each part of the spec came from.
func (c *config) flaPlaces(self, cross section) {
	for path, key := range map[string]string{
		"vocab": "vocab_size", "dim": "hidden_size", "norm_eps": "norm_eps", "context": "max_position_embeddings", "tie_embeddings": "tie_word_embeddings",
		"self.layers": "num_self_decoder_layers", "cross.layers": "num_hidden_layers",
	} {
		c.from(path, c.root, key)
	}
	c.from("self.mixer.heads", self, "num_heads")
	c.from("self.mixer.rope.theta", self, "rope_theta")
	for path, key := range map[string]string{
		"cross.heads": "num_heads", "cache.kv_heads": "num_kv_heads", "cross.bias": "qkv_bias", "cache.bias": "qkv_bias", "cross.q_norm": "qk_norm",
		"cache.rope.theta": "rope_theta", "cache.rope.freq": "rope_inv_freq",
	} {
		c.from(path, cross, key)
	}
}

// known refuses the keys of s that are in neither list, unless their value says "off".
func (s section) known(keys, others []string) {
	for _, m := range s.value.members {
		off := m.value.kind == null || m.value.kind == boolean && m.value.text == "false"
		if !off && !slices.Contains(keys, m.key) && !slices.Contains(others, m.key) {
			s.fail(m.at, s.path(cut(m.key)), "is an unknown key, which may change what the model computes%s", hint(m.key, keys))
		}
	}
}
