package ir

import (
	"fmt"
	"math"
)

// Packed is how a Machine gets its weights from a checkpoint: the function that makes every
// weight by its Pack from the tensors that source gives, row-major; layer is -1 for a tensor that
// no layer repeats.
func Packed(source func(role string, layer int) ([]float64, error)) func(w *Weight, layer int) ([]float64, error) {
	return func(w *Weight, layer int) ([]float64, error) {
		if layer >= 0 {
			layer += w.First
		}
		out := make([]float64, 0, w.Type.Size())
		for _, s := range w.Pack.Sources {
			data, err := source(s.Role, layer)
			if err != nil {
				return nil, err
			}
			if n := w.Type.Size() / w.Type.Shape[0] * s.Rows; n != 0 && n != len(data) {
				return nil, fmt.Errorf("weight @%s: source %s has %d values, want %d", w.Name, s.Role, len(data), n)
			}
			gain := []float64{1}
			if s.Gain != "" {
				if gain, err = source(s.Gain, layer); err != nil {
					return nil, err
				}
				if last := w.Type.Shape[len(w.Type.Shape)-1]; len(gain) != last {
					return nil, fmt.Errorf("weight @%s: gain %s has %d values, want %d", w.Name, s.Gain, len(gain), last)
				}
			}
			for i, x := range data {
				if s.NegExp {
					x = -math.Exp(x)
				}
				out = append(out, x*s.Scale*gain[i%len(gain)])
			}
		}
		return out, nil
	}
}
