package checkpoint

import "github.com/yococ/yococ/models"

// phi4flash is what Phi-4-mini-flash calls its tensors. Some are several weights, one behind the other in the order of
// the spec's list: q, k and v; gate and up.
var phi4flash = map[models.Role]string{
	"embed":           "model.embed_tokens.weight",
	"final.norm":      "model.final_layernorm.weight",
	"final.norm.bias": "model.final_layernorm.bias",
	"head":            "lm_head.weight",
}

// phi4flashLayer are the names of a layer's tensors, behind model.layers and their number; the same in both halves.
var phi4flashLayer = map[models.Role]string{
	"norm":          "input_layernorm.weight",
	"norm.bias":     "input_layernorm.bias",
	"in":            "attn.in_proj.weight",
	"conv":          "attn.conv1d.weight",
	"conv.bias":     "attn.conv1d.bias",
	"x":             "attn.x_proj.weight",
	"dt":            "attn.dt_proj.weight",
	"dt.bias":       "attn.dt_proj.bias",
	"rates":         "attn.A_log",
	"skip":          "attn.D",
	"q":             "attn.Wqkv.weight",
	"k":             "attn.Wqkv.weight",
	"v":             "attn.Wqkv.weight",
	"q.bias":        "attn.Wqkv.bias",
	"k.bias":        "attn.Wqkv.bias",
	"v.bias":        "attn.Wqkv.bias",
	"lambda.q1":     "attn.inner_cross_attn.lambda_q1",
	"lambda.k1":     "attn.inner_cross_attn.lambda_k1",
	"lambda.q2":     "attn.inner_cross_attn.lambda_q2",
	"lambda.k2":     "attn.inner_cross_attn.lambda_k2",
	"pair.norm":     "attn.inner_cross_attn.subln.weight",
	"o":             "attn.out_proj.weight",
	"o.bias":        "attn.out_proj.bias",
	"ffn.norm":      "post_attention_layernorm.weight",
	"ffn.norm.bias": "post_attention_layernorm.bias",
	"ffn.gate":      "mlp.fc1.weight",
	"ffn.up":        "mlp.fc1.weight",
	"ffn.down":      "mlp.fc2.weight",
}

func init() {
	dialects[models.Phi4Flash] = phi4flash
	for role, name := range phi4flashLayer {
		phi4flash["self."+role] = "model.layers.L." + name
		phi4flash["cross."+role] = "model.layers.L." + name
	}
}
