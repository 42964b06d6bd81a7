package plan

// A Routine is a function of runtime/kernel that generated code calls, by all workers at once.
// Its signature stands in the runtime; here stands what the compiler must know of it.
type Routine struct {
	Name    string
	Access  []Access  // how it uses each operand's memory, in order; operands without memory are None
	Kernels []*Kernel // that it may call, whatever the element type of its weight
	Gemm    bool      // it multiplies by a packed matrix: it also needs the kernel of the matrix's element
}

// Access is how a routine uses the memory of an operand.
type Access uint8

const (
	None  Access = iota // no memory, or none that a step ever writes
	Read                // any worker may read any of it
	Write               // every worker writes a part of its own, and may read all
)

// The routines.
var (
	Embed        = &Routine{Name: "Embed", Access: []Access{Write, None, None, None}, Kernels: []*Kernel{Scale}}
	Rotate       = &Routine{Name: "Rotate", Access: []Access{Write, None, None, None}} // of an entry, before its stages
	Linear       = &Routine{Name: "Linear", Access: []Access{Write, Read, None, None, None}, Kernels: []*Kernel{RMSNorm, TileStore}, Gemm: true}
	LinearAdd    = &Routine{Name: "LinearAdd", Access: []Access{Write, Read, None, None, None}, Kernels: []*Kernel{RMSNorm, TileAdd}, Gemm: true}
	LinearSwiGLU = &Routine{Name: "LinearSwiGLU", Access: []Access{Write, Read, None, None}, Kernels: []*Kernel{RMSNorm, TileSwiGLU}, Gemm: true}
	Retain       = &Routine{Name: "Retain", Access: []Access{None, Write, Read, Read, Read, Read, Read, None, Read, None, None}, Kernels: []*Kernel{GemmF32, GateNorm, Transpose, ScaleRows, Decay, ExpDiff, Mul, Scale}}
	Activate     = &Routine{Name: "Activate", Access: []Access{Write, Read, None, None}, Kernels: []*Kernel{SiLU}}
	ShortConv    = &Routine{Name: "ShortConv", Access: []Access{None, Write, Read, None, None, None, None, None}, Kernels: []*Kernel{Convolve}}
	Delta        = &Routine{Name: "Delta", Access: []Access{None, Write, Read, Read, Read, Read, Read, None, None, None, None, None, None}, Kernels: deltaKernels}
	DeltaGated   = &Routine{Name: "DeltaGated", Access: []Access{None, Write, Read, Read, Read, Read, Read, Read, None, None, None, None, None, None}, Kernels: append(deltaKernels, GateNorm)}
	AttendWindow = &Routine{Name: "AttendWindow", Access: []Access{None, Write, Read, Read, Read, None, Read, None, None}, Kernels: []*Kernel{GemmF32, Softmax, Scale, MergeParts, Div}}
	Append       = &Routine{Name: "Append", Access: []Access{None, Write, Read, Read, None, Read, None, None}}
	Attend       = &Routine{Name: "Attend", Access: []Access{None, Write, Read, None, Read, Read, Write, None, None}, Kernels: []*Kernel{RMSNorm, Scale, MergeParts, Div}}

	NormHeads     = &Routine{Name: "NormHeads", Access: []Access{Write, Read, None, None, None, None, None}, Kernels: []*Kernel{RMSNorm}}
	NormRows      = &Routine{Name: "NormRows", Access: []Access{Write, Read, None, None, None, None}, Kernels: []*Kernel{LayerNorm}}
	Gate          = &Routine{Name: "Gate", Access: []Access{Write, Read, Read, None, None}, Kernels: []*Kernel{SwiGLU}}
	SelectiveScan = &Routine{Name: "SelectiveScan", Access: []Access{None, Write, Read, Read, Read, Read, None, None, None, None, None}, Kernels: []*Kernel{Scan}}
	Stripe        = &Routine{Name: "Stripe", Access: []Access{None, Write, Read, None}}
	Differ        = &Routine{Name: "Differ", Access: []Access{None, Write, Read, None, None, None, None, None, None, None}, Kernels: []*Kernel{RMSNorm, Scale, Merge}}
)

// deltaKernels are the kernels of the delta rule without its gate.
var deltaKernels = []*Kernel{GemmF32, RMSNorm, ExpDiff, Mul, Scale, Div, ScaleRows, Transpose, Decay}
