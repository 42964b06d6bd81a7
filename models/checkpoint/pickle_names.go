package checkpoint

import (
	"fmt"
	"slices"
	"strings"
)

func (g pyName) String() string { return g.module + "." + g.name }

// storageTypes are the classes of storages and, under their own names, the types of tensors.
var storageTypes = map[string]DType{
	"FloatStorage": F32, "HalfStorage": F16, "BFloat16Storage": BF16, "DoubleStorage": F64,
	"LongStorage": "i64", "IntStorage": "i32", "ShortStorage": "i16", "CharStorage": "i8", "ByteStorage": "u8", "BoolStorage": "bool",
	"ComplexFloatStorage": "c64", "UntypedStorage": "",
	"float32": F32, "float16": F16, "bfloat16": BF16, "float64": F64,
	"int64": "i64", "int32": "i32", "int16": "i16", "int8": "i8", "uint8": "u8", "bool": "bool",
	"complex64": "c64", "float8_e4m3fn": "f8_e4m3", "float8_e5m2": "f8_e5m2",
}

// rebuilders make tensors; the number is that of the arguments which they need.
var rebuilders = map[string]int{
	"torch._utils._rebuild_tensor":    4,
	"torch._utils._rebuild_tensor_v2": 4,
	"torch._utils._rebuild_tensor_v3": 7,
}

// parameters wrap a tensor, their first argument.
var parameters = []string{"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}

// dicts are classes whose objects are dictionaries.
var dicts = []string{"collections.OrderedDict", "collections.defaultdict", "builtins.dict", "__builtin__.dict", "collections.Counter"}

// aside are what a training checkpoint holds beside its tensors: options, numbers of steps. Their
// objects are inert. A name that ends in a point stands for all of a module.
var aside = []string{
	"argparse.Namespace", "fairseq.", "omegaconf.", "typing.Any", "torch.Size", "torch.device",
	"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype", "_codecs.encode",
	"builtins.set", "builtins.frozenset", "builtins.list", "builtins.tuple", "builtins.int", "builtins.float", "builtins.str", "builtins.bool",
	"builtins.complex", "builtins.bytearray", "__builtin__.set",
}

// known reports whether a pickle may name g. What it may not name is refused where it is named, even if
// it would never be called.
func (g pyName) known() bool {
	name := g.String()
	return g.isType() || rebuilders[name] > 0 || slices.Contains(parameters, name) || slices.Contains(dicts, name) || g.isAside()
}

func (g pyName) isType() bool {
	_, ok := storageTypes[g.name]
	return ok && (g.module == "torch" || g.module == "torch.storage")
}

func (g pyName) isAside() bool {
	name := g.String()
	return slices.ContainsFunc(aside, func(a string) bool {
		return name == a || strings.HasSuffix(a, ".") && strings.HasPrefix(name, a)
	})
}

// call is what an object of g stands for. Nothing is run.
func (g pyName) call(args tuple) (any, string) {
	name := g.String()
	switch need, rebuilds := rebuilders[name]; {
	case rebuilds:
		if len(args) < need {
			return nil, fmt.Sprintf("%d arguments: want %d", len(args), need)
		}
		s, ok := args[0].(*storage)
		if !ok {
			return nil, "its numbers are in no storage"
		}
		t := &rebuilt{storage: s, offset: args[1], shape: args[2], strides: args[3], dtype: s.dtype}
		if need > 6 {
			d, _ := args[6].(pyName)
			t.dtype = storageTypes[d.name]
		}
		if t.dtype == "" {
			return nil, "it has no type"
		}
		return t, ""
	case slices.Contains(parameters, name):
		if len(args) > 0 {
			if t, ok := args[0].(*rebuilt); ok {
				return t, ""
			}
		}
		return nil, "it holds no tensor"
	case slices.Contains(dicts, name):
		return &dict{}, ""
	case name == "torch.Size" && len(args) == 1:
		if t, ok := args[0].(tuple); ok {
			return t, ""
		}
	}
	return &inert{g}, ""
}

// storageOf reads what identifies a storage: ("storage", class, key, device, elements) and, in
// files of old, whether it is a view of another.
func storageOf(id tuple) (*storage, string) {
	if len(id) < 5 || len(id) > 6 || id[0] != "storage" {
		return nil, "something outside of the pickle is asked for that is no storage"
	}
	class, ok := id[1].(pyName)
	if !ok || !class.isType() || !strings.HasSuffix(class.name, "Storage") {
		return nil, "a storage has no type that is known"
	}
	s := &storage{dtype: storageTypes[class.name], view: len(id) == 6 && id[5] != nil}
	if s.key, ok = id[2].(string); !ok {
		return nil, "a storage has no name"
	}
	if s.elems, ok = id[4].(int64); !ok || s.elems < 0 {
		return nil, fmt.Sprintf("storage %s has no size", show(s.key))
	}
	return s, ""
}
