package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
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

func (u *unpickler) number(op byte) string {
	switch op {
	case opFloat:
		b, ok := u.take(8)
		if !ok {
			return cutOff(ok)
		}
		return u.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case opLong1, opLong4:
		n, ok := u.size(map[byte]int{opLong1: 1, opLong4: 4}[op])
		b, enough := u.take(n)
		if !ok || !enough {
			return cutOff(false)
		}
		if n > 8 {
			return u.push(blob(b))
		}
		var wide [8]byte
		if n > 0 && b[n-1] >= 0x80 {
			wide = [8]byte{255, 255, 255, 255, 255, 255, 255, 255}
		}
		copy(wide[:], b)
		return u.push(int64(binary.LittleEndian.Uint64(wide[:])))
	}
	b, ok := u.take(map[byte]int{opInt1: 1, opInt2: 2, opInt4: 4}[op])
	switch {
	case !ok:
		return cutOff(ok)
	case op == opInt1:
		return u.push(int64(b[0]))
	case op == opInt2:
		return u.push(int64(binary.LittleEndian.Uint16(b)))
	}
	return u.push(int64(int32(binary.LittleEndian.Uint32(b))))
}

// text8 reads a text or bytes with their length in front.
func (u *unpickler) text8(op byte) string {
	width := 4
	switch op {
	case opText1, opBytes1, opOldText1:
		width = 1
	case opText8, opBytes8, opByteArray8:
		width = 8
	}
	n, ok := u.size(width)
	b, enough := u.take(n)
	switch {
	case !ok || !enough:
		return cutOff(false)
	case op == opBytes1 || op == opBytes4 || op == opBytes8 || op == opByteArray8:
		return u.push(blob(b))
	case !utf8.Valid(b) && (op == opOldText1 || op == opOldText4): // Python 2 had one type for both
		return u.push(blob(b))
	case !utf8.Valid(b):
		return "a text is not UTF-8"
	}
	return u.push(string(b))
}

func (u *unpickler) tuple(op byte) string {
	var t tuple
	if op == opTuple || op == opFrozenSet {
		items, msg := u.popMark()
		if msg != "" {
			return msg
		}
		t = append(t, items...)
	} else {
		n := map[byte]int{opTuple1: 1, opTuple2: 2, opTuple3: 3}[op]
		if len(u.stack)-n < u.floor() {
			return "a tuple has too few values"
		}
		t = append(t, u.stack[len(u.stack)-n:]...)
		u.stack = u.stack[:len(u.stack)-n]
	}
	if op == opFrozenSet {
		return u.push(&sequence{t})
	}
	return u.push(t)
}

// fill puts values into the collection below them.
func (u *unpickler) fill(op byte) string {
	var items []any
	if op == opAppend || op == opSetItem {
		n := map[byte]int{opAppend: 1, opSetItem: 2}[op]
		if len(u.stack)-n < u.floor() {
			return "a collection gets too few values"
		}
		items = u.stack[len(u.stack)-n:]
		u.stack = u.stack[:len(u.stack)-n]
	} else {
		var msg string
		if items, msg = u.popMark(); msg != "" {
			return msg
		}
	}
	if len(u.stack) == u.floor() {
		return "values are for a collection that is not there"
	}
	pairs := op == opSetItem || op == opSetItems
	switch c := u.stack[len(u.stack)-1].(type) {
	case *sequence:
		if !pairs {
			c.items = append(c.items, items...)
			return ""
		}
	case *dict:
		if pairs && len(items)%2 == 0 {
			for i := 0; i < len(items); i += 2 {
				c.pairs = append(c.pairs, pair{items[i], items[i+1]})
			}
			return ""
		}
	case *inert:
		return ""
	}
	return "values are for a collection of another kind"
}

func (u *unpickler) global(op byte) string {
	var g pyName
	if op == opStackGlobal {
		name, ok := u.pop().(string)
		module, also := u.pop().(string)
		if !ok || !also {
			return "a name is no text"
		}
		g = pyName{module, name}
	} else {
		for _, part := range []*string{&g.module, &g.name} {
			before, _, found := strings.Cut(string(u.text[u.at:min(u.at+maxName, len(u.text))]), "\n")
			if !found {
				return "a name does not end"
			}
			*part = before
			u.at += len(before) + 1
		}
	}
	if !g.known() {
		return fmt.Sprintf("the pickle names %s, which is none of what tensors are made of; nothing of it was run", show(g.String()))
	}
	return u.push(g)
}

const maxName = 256

// call makes an object of a global and its arguments.
func (u *unpickler) call(op byte) string {
	if op == opNewObjEx {
		u.pop() // arguments by name
	}
	args, ok := u.pop().(tuple)
	g, also := u.pop().(pyName)
	if !ok || !also {
		return "something is called that is no name"
	}
	v, msg := g.call(args)
	if msg != "" {
		return g.String() + ": " + msg
	}
	return u.push(v)
}

// build would set the attributes of an object; none of them is used.
func (u *unpickler) build() string {
	u.pop()
	switch v := u.pop().(type) {
	case *dict, *inert, *rebuilt:
		return u.push(v)
	}
	return "attributes are set of something that has none"
}

// remember runs the operations on the memo. Python's pickler numbers from 0, without gaps.
func (u *unpickler) remember(op byte) string {
	n, ok := len(u.memo), true
	if op != opMemoize {
		n, ok = u.size(map[byte]int{opPut1: 1, opPut4: 4, opGet1: 1, opGet4: 4}[op])
	}
	if !ok {
		return cutOff(false)
	}
	if op == opGet1 || op == opGet4 {
		if n >= len(u.memo) {
			return fmt.Sprintf("value %d is fetched, which was never stored", n)
		}
		return u.push(u.memo[n])
	}
	switch {
	case len(u.stack) == u.floor():
		return "a value is stored that is not there"
	case n > len(u.memo):
		return fmt.Sprintf("a value is stored as number %d after %d others", n, len(u.memo))
	case n == len(u.memo):
		u.memo = append(u.memo, nil)
	}
	u.memo[n] = u.stack[len(u.stack)-1]
	return ""
}
