package passes

import ("testing";"fmt";"os"
"github.com/yococ/yococ/models";"github.com/yococ/yococ/ir";"github.com/yococ/yococ/ir/build")

func TestTry(t *testing.T) {
	spec, err := models.Load(os.Getenv("SPEC"))
	if err != nil { t.Fatal(err) }
	p, err := build.Program(spec)
	if err != nil { t.Fatal(err) }
	tg := Target{Package: spec.Name, Source: "x.yaml", Weights: ir.BF16, Checkpoint: ir.BF16, KV: ir.F32, Context: 2048}
	if os.Getenv("W")=="f32" {tg.Weights=ir.F32}
	if err := Optimize(p, tg); err != nil { t.Fatal(err) }
	fmt.Println(p)
	pl, err := Plan(p, tg)
	if err != nil { t.Fatal(err) }
	fmt.Println(pl)
}
