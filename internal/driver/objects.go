package driver

import (
	"fmt"
	"reflect"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
	"github.com/yococ/yococ/runtime/kernel"
)

// A described is an object that describes a mixer, as generated code makes it: with the runtime's own
// formulas for memory.
type described interface{ Scratch(rows int) int }

// carried is one that lays out a state of a fixed size.
type carried interface{ StateFloats() int }

// A mixerType is what the driver has to know of a type of objects in runtime/kernel.
type mixerType struct {
	zero  any                      // a pointer to a zero object
	state func(o *plan.Object) int // numbers in the state as its equations have it; nil if it lays out none
	cost  mixerCost                // of its routine
}

// mixerTypes has a row for every type of objects that lay out a state or whose routines need scratch.
var mixerTypes = map[string]mixerType{
	"RetainSpec": {
		zero:  &kernel.RetainSpec{},
		state: func(o *plan.Object) int { return o.Int("Heads") * o.Int("Dim") * o.Int("Dim") },
		cost:  retainCost,
	},
	"ConvSpec": {
		zero:  &kernel.ConvSpec{},
		state: func(o *plan.Object) int { return (o.Int("Taps") - 1) * o.Int("Channels") },
		cost:  convCost,
	},
	"DeltaSpec": {
		zero:  &kernel.DeltaSpec{},
		state: func(o *plan.Object) int { return o.Int("ValueHeads") * o.Int("Dim") * o.Int("ValueDim") },
		cost:  deltaCost,
	},
	"ScanSpec": {
		zero:  &kernel.ScanSpec{},
		state: func(o *plan.Object) int { return o.Int("Channels") * o.Int("States") },
		cost:  scanCost,
	},
	"AttendSpec": {zero: &kernel.AttendSpec{}, cost: attendCost},
	"CacheSpec":  {zero: &kernel.CacheSpec{}},
}

// object is the runtime's object of a plan's, but for its addresses of others.
func object(o *plan.Object) any {
	t, ok := mixerTypes[o.Type]
	if !ok {
		panic(fmt.Sprintf("BUG: object %s is a %s, which the driver does not know", o.Name, o.Type))
	}
	made := reflect.New(reflect.TypeOf(t.zero).Elem())
	for _, f := range o.Fields {
		field := made.Elem().FieldByName(f.Name)
		switch v := f.Value.(type) {
		case int, float64, bool, string:
			field.Set(reflect.ValueOf(v).Convert(field.Type()))
		case ir.Elem:
			field.Set(reflect.ValueOf(cacheFormats[v]))
		}
	}
	return made.Interface()
}

// cacheFormats are the runtime's names of the formats of caches.
var cacheFormats = map[ir.Elem]kernel.Format{ir.F32: kernel.F32, ir.BF16: kernel.BF16, ir.Q8: kernel.Q8, ir.Q4: kernel.Q4}

// cacheSpec is the layout of a cache.
func cacheSpec(o *plan.Object) *kernel.CacheSpec { return object(o).(*kernel.CacheSpec) }
