package checkpoint

import (
	"strconv"
	"strings"

	"github.com/yococ/yococ/models"
)

// unilm is what microsoft/unilm's YOCO calls its tensors; N is the layer, from 0 in either half.
// Its FFN branch named gate is the linear one: silu is on fc1. Its final_layer_norm is the norm
// before the FFN.
var unilm = map[models.Role]string{
	"embed":         "embed_tokens.weight",
	"self.norm":     "self_decoder.layers.N.mixer_layer_norm.weight",
	"self.q":        "self_decoder.layers.N.mixer.q_proj.weight",
	"self.k":        "self_decoder.layers.N.mixer.k_proj.weight",
	"self.v":        "self_decoder.layers.N.mixer.v_proj.weight",
	"self.g":        "self_decoder.layers.N.mixer.g_proj.weight",
	"self.decay":    "self_decoder.layers.N.mixer.gt_proj.weight",
	"self.o":        "self_decoder.layers.N.mixer.out_proj.weight",
	"self.ffn.norm": "self_decoder.layers.N.final_layer_norm.weight",
	"self.ffn.gate": "self_decoder.layers.N.ffn.fc1.weight",
	"self.ffn.up":   "self_decoder.layers.N.ffn.gate.weight",
	"self.ffn.down": "self_decoder.layers.N.ffn.fc2.weight",

	"cache.norm": "cross_decoder.kv_layer_norm.weight",
	"cache.k":    "cross_decoder.k_proj.weight",
	"cache.v":    "cross_decoder.v_proj.weight",

	"cross.norm":     "cross_decoder.layers.N.mixer_layer_norm.weight",
	"cross.q":        "cross_decoder.layers.N.mixer.q_proj.weight",
	"cross.o":        "cross_decoder.layers.N.mixer.out_proj.weight",
	"cross.ffn.norm": "cross_decoder.layers.N.final_layer_norm.weight",
	"cross.ffn.gate": "cross_decoder.layers.N.ffn.fc1.weight",
	"cross.ffn.up":   "cross_decoder.layers.N.ffn.gate.weight",
	"cross.ffn.down": "cross_decoder.layers.N.ffn.fc2.weight",

	"final.norm": "layer_norm.weight",
	"head":       "output_projection.weight",
}

// fla is what flash-linear-attention's YOCOForCausalLM calls them.
var fla = map[models.Role]string{
	"embed":           "model.embeddings.weight",
	"self.norm":       "model.self_layers.N.attn_norm.weight",
	"self.q":          "model.self_layers.N.attn.q_proj.weight",
	"self.k":          "model.self_layers.N.attn.k_proj.weight",
	"self.v":          "model.self_layers.N.attn.v_proj.weight",
	"self.g":          "model.self_layers.N.attn.g_proj.weight",
	"self.decay":      "model.self_layers.N.attn.gk_proj.weight",
	"self.o":          "model.self_layers.N.attn.o_proj.weight",
	"self.q.conv":     "model.self_layers.N.attn.q_conv1d.weight",
	"self.k.conv":     "model.self_layers.N.attn.k_conv1d.weight",
	"self.v.conv":     "model.self_layers.N.attn.v_conv1d.weight",
	"self.alpha":      "model.self_layers.N.attn.a_proj.weight",
	"self.alpha.bias": "model.self_layers.N.attn.dt_bias",
	"self.beta":       "model.self_layers.N.attn.b_proj.weight",
	"self.rate":       "model.self_layers.N.attn.A_log",
	"self.o.norm":     "model.self_layers.N.attn.o_norm.weight",
	"self.q.bias":     "model.self_layers.N.attn.q_proj.bias",
	"self.k.bias":     "model.self_layers.N.attn.k_proj.bias",
	"self.v.bias":     "model.self_layers.N.attn.v_proj.bias",
	"self.ffn.norm":   "model.self_layers.N.mlp_norm.weight",
	"self.ffn.gate":   "model.self_layers.N.mlp.gate_proj.weight",
	"self.ffn.up":     "model.self_layers.N.mlp.up_proj.weight",
	"self.ffn.down":   "model.self_layers.N.mlp.down_proj.weight",

	"cache.norm":   "model.shared_kv_builder.kv_norm.weight",
	"cache.k":      "model.shared_kv_builder.k_proj.weight",
	"cache.v":      "model.shared_kv_builder.v_proj.weight",
	"cache.k.bias": "model.shared_kv_builder.k_proj.bias",
	"cache.v.bias": "model.shared_kv_builder.v_proj.bias",

	"cross.norm":     "model.cross_layers.N.attn_norm.weight",
	"cross.q":        "model.cross_layers.N.attn.q_proj.weight",
	"cross.q.bias":   "model.cross_layers.N.attn.q_proj.bias",
	"cross.q.norm":   "model.cross_layers.N.attn.q_norm.weight",
	"cross.o":        "model.cross_layers.N.attn.o_proj.weight",
	"cross.ffn.norm": "model.cross_layers.N.mlp_norm.weight",
	"cross.ffn.gate": "model.cross_layers.N.mlp.gate_proj.weight",
	"cross.ffn.up":   "model.cross_layers.N.mlp.up_proj.weight",
	"cross.ffn.down": "model.cross_layers.N.mlp.down_proj.weight",

	"final.norm": "model.norm.weight",
	"head":       "lm_head.weight",
}

// huggingFace is what the transformers library calls the tensors of Llama and of models like it.
var huggingFace = map[models.Role]string{
	"embed":         "model.embed_tokens.weight",
	"self.norm":     "model.layers.N.input_layernorm.weight",
	"self.q":        "model.layers.N.self_attn.q_proj.weight",
	"self.k":        "model.layers.N.self_attn.k_proj.weight",
	"self.v":        "model.layers.N.self_attn.v_proj.weight",
	"self.o":        "model.layers.N.self_attn.o_proj.weight",
	"self.q.bias":   "model.layers.N.self_attn.q_proj.bias",
	"self.k.bias":   "model.layers.N.self_attn.k_proj.bias",
	"self.v.bias":   "model.layers.N.self_attn.v_proj.bias",
	"self.o.bias":   "model.layers.N.self_attn.o_proj.bias",
	"self.q.norm":   "model.layers.N.self_attn.q_norm.weight",
	"self.k.norm":   "model.layers.N.self_attn.k_norm.weight",
	"self.ffn.norm": "model.layers.N.post_attention_layernorm.weight",
	"self.ffn.gate": "model.layers.N.mlp.gate_proj.weight",
	"self.ffn.up":   "model.layers.N.mlp.up_proj.weight",
	"self.ffn.down": "model.layers.N.mlp.down_proj.weight",

	"final.norm": "model.norm.weight",
	"head":       "lm_head.weight",
}

// dialects are the name maps. In a name .N. is the number of the layer in its half, from 0, and .L.
// its number in the whole model.
var dialects = map[models.Dialect]map[models.Role]string{
	models.Unilm:       unilm,
	models.FLA:         fla,
	models.HuggingFace: huggingFace,
}

// Name gives the tensor that holds a weight in checkpoints of a dialect, "" if the dialect has
// none: microsoft/unilm has neither biases nor a query norm. It goes by the weight's kind and the
// number of its layer.
func Name(d models.Dialect, spec *models.Spec, w models.WeightSpec) string {
	name := dialects[d][w.Kind]
	if before, after, ok := strings.Cut(name, ".N."); ok {
		return before + "." + strconv.Itoa(w.At) + "." + after
	}
	if before, after, ok := strings.Cut(name, ".L."); ok {
		n := w.At
		if strings.HasPrefix(string(w.Kind), "cross.") {
			n += spec.Self.Len()
		}
		return before + "." + strconv.Itoa(n) + "." + after
	}
	return name
}

// global is a weight that no layer owns.
func global(role models.Role) models.WeightSpec {
	return models.WeightSpec{Role: role, Layer: -1, Kind: role, At: -1}
}

// harmless reports whether a tensor that no weight asks for holds nothing but a table that
// follows from the configuration: rotary frequencies, which some writers save as buffers.
func harmless(name string) bool {
	for _, s := range []string{"rotary_emb.inv_freq", "rotary.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached"} {
		if name == s || strings.HasSuffix(name, "."+s) {
			return true
		}
	}
	return false
}
