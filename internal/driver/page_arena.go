package driver

import "github.com/yococ/yococ/ir/plan"

// A pageArena is the arena drawn: a column is floats of a token's row, a line a step of a stage.
type pageArena struct {
	Width, Height int
	Stages        []pageMark
	Slots         []pageSlot
}

type pageMark struct {
	Name string
	Y, H int
}

type pageSlot struct {
	*plan.Slot
	X, Y, W, H int
	Hue        int
	Label      bool // there is room for the name
}

const (
	arenaWidth = 900 // of all slots
	arenaLeft  = 110 // of the stages' names
	arenaLine  = 22  // a step
	labelDown  = 15  // from the top of a box to its text
)

func newPageArena(p *plan.Plan) pageArena {
	a := pageArena{Width: arenaLeft + arenaWidth}
	starts := map[string]int{}
	for _, s := range p.Stages {
		h := arenaLine * len(s.Steps)
		a.Stages = append(a.Stages, pageMark{s.Name, a.Height, h})
		starts[s.Name] = a.Height
		a.Height += h
	}
	most := max(p.SlotFloats(), 1)
	for i := range p.Slots {
		s := &p.Slots[i]
		x := arenaLeft + arenaWidth*s.Offset/most
		w := max(arenaLeft+arenaWidth*(s.Offset+s.Stride)/most-x, 1)
		one := pageSlot{Slot: s, X: x, W: w, H: a.Height, Hue: 47 * i % 360}
		if len(s.Live) == 0 {
			one.Label = one.fits()
			a.Slots = append(a.Slots, one)
		}
		for _, l := range s.Live {
			one.Y, one.H = starts[l.Stage]+arenaLine*l.From, arenaLine*(l.To-l.From+1)
			one.Label = one.fits()
			a.Slots = append(a.Slots, one)
		}
	}
	return a
}

// LabelX is where the name begins.
func (s pageSlot) LabelX() int { return s.X + 4 }

// LabelY is the line on which it stands.
func (s pageSlot) LabelY() int { return s.Y + labelDown }

// LabelY is the line on which a stage's name stands.
func (m pageMark) LabelY() int { return m.Y + labelDown }

// fits reports whether a slot's name fits into it.
func (s *pageSlot) fits() bool { return s.W >= 8*len(s.Name)+4 }
