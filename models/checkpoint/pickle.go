package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A pickle is a program for a stack machine (CPython's Lib/pickletools.py lists its operations),
// which may call anything by name. This machine knows the operations of protocols 2 to 5 that
// PyTorch's writers leave, and calls nothing: pickle_names.go says what a name may stand for.
//
// Values are Go's nil, bool, int64, float64, string, and
//
//	blob      bytes, or an integer beyond int64
//	tuple     of values
//	*sequence list or set
//	*dict     in the order of its making
//	pyName    a name that is known
//	*storage  the numbers of one or more tensors, by its key
//	*rebuilt  a tensor
//	*inert    an object of which nothing is used
type (
	blob     []byte
	tuple    []any
	sequence struct{ items []any }
	dict     struct{ pairs []pair }
	pair     struct{ key, value any }
	pyName   struct{ module, name string }
	inert    struct{ class pyName }

	storage struct {
		key   string
		dtype DType // "" if tensors say it
		elems int64 // bytes where dtype is ""
		view  bool  // of another storage, in files of old
	}
	rebuilt struct {
		storage                *storage
		offset, shape, strides any
		dtype                  DType
	}
)

// Bounds on a pickle: some 40 operations of 4 bytes describe a tensor. An operation takes at most
// some 60 bytes of memory.
const (
	maxPickle = 64 << 20
	maxOps    = 1 << 22
)

// unpickler is the machine while it runs.
type unpickler struct {
	text  []byte
	at    int // of the next byte
	stack []any
	marks []int // heights of the stack
	memo  []any

	storages map[string]*storage // all that were named
}

// unpickled is what a pickle made.
type unpickled struct {
	value    any
	storages map[string]*storage // all that it names, by key
	used     int                 // bytes
}

// pickleError says what is wrong at a byte of the pickle.
type pickleError struct {
	at  int
	msg string
}

// unpickle runs the pickle that text begins with.
func unpickle(text []byte) (unpickled, *pickleError) {
	u := &unpickler{text: text, storages: map[string]*storage{}}
	fail := func(at int, format string, args ...any) (unpickled, *pickleError) {
		return unpickled{}, &pickleError{at, fmt.Sprintf(format, args...)}
	}
	for ops := 0; ; ops++ {
		at := u.at
		if ops == maxOps {
			return fail(at, "the pickle has more than %d operations", maxOps)
		}
		op, ok := u.take(1)
		switch {
		case !ok:
			return fail(at, "the pickle is cut off")
		case ops == 0 && op[0] != opProto:
			return fail(at, "this is no pickle of protocol 2 or later")
		case op[0] == opStop:
			if len(u.stack) != 1 || len(u.marks) != 0 {
				return fail(at, "the pickle ends with %d values: want 1", len(u.stack))
			}
			return unpickled{u.stack[0], u.storages, u.at}, nil
		}
		if msg := u.step(op[0]); msg != "" {
			return fail(at, "%s", msg)
		}
	}
}

// Operations by their letter, or their name where it does not print.
const (
	opProto, opFrame, opStop                                              = 0x80, 0x95, '.'
	opMark, opNone, opTrue, opFalse                                       = '(', 'N', 0x88, 0x89
	opInt4, opInt1, opInt2, opLong1, opLong4, opFloat                     = 'J', 'K', 'M', 0x8a, 0x8b, 'G'
	opText4, opText1, opText8, opBytes4, opBytes1, opBytes8, opByteArray8 = 'X', 0x8c, 0x8d, 'B', 'C', 0x8e, 0x96
	opOldText4, opOldText1                                                = 'T', 'U'
	opTuple, opTuple0, opTuple1, opTuple2, opTuple3                       = 't', ')', 0x85, 0x86, 0x87
	opList, opAppend, opAppends, opDict, opSetItem, opSetItems            = ']', 'a', 'e', '}', 's', 'u'
	opSet, opAddItems, opFrozenSet                                        = 0x8f, 0x90, 0x91
	opGlobal, opStackGlobal, opReduce, opNewObj, opNewObjEx, opBuild      = 'c', 0x93, 'R', 0x81, 0x92, 'b'
	opPersistent                                                          = 'Q'
	opPut1, opPut4, opMemoize, opGet1, opGet4                             = 'q', 'r', 0x94, 'h', 'j'
)

// step runs an operation whose letter has been read. It gives what is wrong, or "".
func (u *unpickler) step(op byte) string {
	switch op {
	case opProto:
		if b, ok := u.take(1); !ok || b[0] < 2 || b[0] > 5 {
			return "this is no pickle of protocol 2 to 5"
		}
		return ""
	case opFrame:
		_, ok := u.take(8)
		return cutOff(ok)
	case opMark:
		u.marks = append(u.marks, len(u.stack))
		return ""
	case opNone:
		return u.push(nil)
	case opTrue, opFalse:
		return u.push(op == opTrue)
	case opInt1, opInt2, opInt4, opLong1, opLong4, opFloat:
		return u.number(op)
	case opText1, opText4, opText8, opOldText1, opOldText4, opBytes1, opBytes4, opBytes8, opByteArray8:
		return u.text8(op)
	case opTuple, opTuple0, opTuple1, opTuple2, opTuple3, opFrozenSet:
		return u.tuple(op)
	case opList, opSet:
		return u.push(&sequence{})
	case opDict:
		return u.push(&dict{})
	case opAppend, opAppends, opAddItems, opSetItem, opSetItems:
		return u.fill(op)
	case opGlobal, opStackGlobal:
		return u.global(op)
	case opReduce, opNewObj, opNewObjEx:
		return u.call(op)
	case opBuild:
		return u.build()
	case opPersistent:
		v, _ := u.pop().(tuple)
		s, msg := storageOf(v)
		if msg != "" {
			return msg
		}
		u.storages[s.key] = s
		return u.push(s)
	case opPut1, opPut4, opMemoize, opGet1, opGet4:
		return u.remember(op)
	}
	return fmt.Sprintf("operation %#02x is not one of those that PyTorch writes", op)
}

func cutOff(ok bool) string {
	if !ok {
		return "the pickle is cut off"
	}
	return ""
}

// take reads n bytes.
func (u *unpickler) take(n int) ([]byte, bool) {
	if n < 0 || n > len(u.text)-u.at {
		return nil, false
	}
	b := u.text[u.at : u.at+n]
	u.at += n
	return b, true
}

// size reads a length or index of so many bytes, little endian.
func (u *unpickler) size(bytes int) (int, bool) {
	b, ok := u.take(bytes)
	if !ok {
		return 0, false
	}
	var wide [8]byte
	copy(wide[:], b)
	n := binary.LittleEndian.Uint64(wide[:])
	return int(n), n <= math.MaxInt32
}

func (u *unpickler) push(v any) string {
	u.stack = append(u.stack, v)
	return ""
}

// missing stands for a value that an operation wants and the stack does not have. It is of no
// kind that an operation takes.
type missing struct{}

// pop takes the uppermost value, never from below a mark.
func (u *unpickler) pop() any {
	n := len(u.stack)
	if n == u.floor() {
		return missing{}
	}
	v := u.stack[n-1]
	u.stack = u.stack[:n-1]
	return v
}

// floor is the height of the stack below which values belong to another collection.
func (u *unpickler) floor() int {
	if n := len(u.marks); n > 0 {
		return u.marks[n-1]
	}
	return 0
}

// popMark takes all values above the last mark, and the mark. They are valid until the next push.
func (u *unpickler) popMark() ([]any, string) {
	if len(u.marks) == 0 {
		return nil, "a collection ends that was not begun"
	}
	from := u.floor()
	u.marks = u.marks[:len(u.marks)-1]
	items := u.stack[from:]
	u.stack = u.stack[:from]
	return items, ""
}
