package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// The operations of the machine in pickle.go that make values.

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
