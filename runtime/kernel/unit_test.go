package kernel

import (
	"fmt"
	"testing"
)

// TestUnits checks that units cover each row of each panel once, and fit in a tile.
func TestUnits(t *testing.T) {
	for _, panels := range []int{1, 2, 3, 7, 48} {
		for _, rows := range []int{0, 2, 191, 192, 257, 300, 512, 520, 1030} {
			for workers := 1; workers <= 3; workers++ {
				for _, m := range []*Matrix{{Q8: []byte{0}}, {Q4: []byte{0}}, {F32: []float32{0}}} {
					m.N, m.K = panels*PanelCols-1, 1
					name := fmt.Sprintf("%d panels, %d rows, %d workers, 8 bits %t", panels, rows, workers, m.Q8 != nil)
					checkUnits(t, name, m.cut(rows, workers), panels, rows)
				}
			}
		}
	}
}

func checkUnits(t *testing.T, name string, cut units, panels, rows int) {
	t.Helper()
	times := make([]int, panels*rows)
	for i := range cut.n() {
		u := cut.unit(i)
		if n := u.panels * u.rows; n > tileOf(rows) {
			t.Errorf("%s: unit %d has %d rows of a tile", name, i, n)
		}
		for p := range u.panels {
			for r := range u.rows {
				times[(u.panel+p)*rows+u.first+r]++
			}
		}
	}
	for i, n := range times {
		if n != 1 {
			t.Fatalf("%s: row %d of panel %d is computed %d times", name, i%rows, i/rows, n)
		}
	}
}
