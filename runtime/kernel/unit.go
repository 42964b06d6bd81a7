package kernel

// A unit is a piece of a product of several rows: some panels, and some rows. Its sums fit in a tile.
type unit struct {
	panel, panels int // the first one, and how many
	first, rows   int
}

// units are the pieces of a product of several rows that workers take as they come: units of some panels, of each of which
// there are as many as there are blocks of rows; then the last panels, one by one, in pieces of so many rows.
type units struct {
	rows, panels int
	wide, blocks int // panels of a unit, and blocks of rows
	last         int // panels behind those units
	height       int // rows of their pieces
}

// cut says what the units are for a number of workers.
//
// Inputs of many rows exceed the second cache, and each pass over a panel reads them from the last one. Where weights are of 8 bits
// two panels share that, half as many rows a unit: a block of inputs then stays in the second cache for four calls. Weights of 4 bits
// are unpacked for each call, so more rows gain more.
//
// At the end all workers wait for the last one, half a unit's time in the mean: so with many rows the last panels, as many as
// there are workers, are cut. Pieces are whole tiles of the widest kernels.
func (m *Matrix) cut(rows, workers int) units {
	u := units{rows: rows, panels: m.panels(), wide: 1, height: max(1, rows)}
	if rows >= cutRows {
		if m.Q8 != nil {
			u.wide = widePanels
		}
		pieces := 1
		if workers > 1 {
			u.last, pieces = min(workers, u.panels), cutPieces
		}
		const tile = 6
		u.height = roundUp((rows+pieces-1)/pieces, tile)
	}
	u.last += (u.panels - u.last) % u.wide
	u.height = min(u.height, tileRows)
	most := max(1, tileOf(rows)/u.wide)
	u.blocks = (rows + most - 1) / most
	return u
}

// n is how many units there are.
func (u *units) n() int { return u.whole() + u.last*u.pieces() }

// whole is how many of them have all panels that they may.
func (u *units) whole() int { return (u.panels - u.last) / u.wide * u.blocks }

// pieces is how many units each of the last panels is.
func (u *units) pieces() int { return (u.rows + u.height - 1) / u.height }

// unit is one of them.
func (u *units) unit(i int) unit {
	if i < u.whole() {
		b := i % u.blocks
		first := b * u.rows / u.blocks
		return unit{i / u.blocks * u.wide, u.wide, first, (b+1)*u.rows/u.blocks - first}
	}
	i -= u.whole()
	first := i % u.pieces() * u.height
	return unit{u.panels - u.last + i/u.pieces(), 1, first, min(u.height, u.rows-first)}
}
