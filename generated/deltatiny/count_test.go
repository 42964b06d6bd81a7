package deltatiny

import (
	"testing"

	"github.com/yococ/yococ/internal/testmodel"
	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/weights"
)

// TestEarlyExit counts the multiplications by every weight.
func TestEarlyExit(t *testing.T) {
	testmodel.EarlyExit(t, Name, func(path string, c *testmodel.Counter) (*rt.Model, error) {
		f, err := weights.Open(path, fingerprint, packed)
		if err != nil {
			return nil, err
		}
		w := bind(f)
		engine := func(e rt.EngineConfig) rt.Engine { return newEngine(w, e) }
		return c.Model(runtimeModel(f).Info(), f, engine), nil
	})
}
