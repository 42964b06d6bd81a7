package tokenizer

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A message is the fields of a protobuf message, in their order. What a field is to be is for its
// reader to say, so a field that is unknown is skipped.
type message struct {
	data []byte
	at   int // byte of the file where data begins
	err  error
}

// field is one field: a number if its bits are known, else bytes.
type field struct {
	number int
	bits   uint64
	data   []byte
	fixed  bool // of 4 bytes
	at     int
}

// next reads a field; false at the end, or where what follows is no field.
func (m *message) next() (f field, ok bool) {
	if len(m.data) == 0 || m.err != nil {
		return f, false
	}
	f.at = m.at
	key := m.varint()
	f.number = int(key >> 3)
	if key>>3 == 0 || key>>3 > 1<<29 {
		m.fail("a field has the number %d", key>>3)
	}
	switch kind := key & 7; kind {
	case 0:
		f.bits = m.varint()
	case 1:
		f.bits = binary.LittleEndian.Uint64(m.take(8))
	case 2:
		f.at = m.at
		n := m.varint()
		f.at = m.at
		f.data = m.take(n)
	case 5:
		f.bits, f.fixed = uint64(binary.LittleEndian.Uint32(m.take(4))), true
	default:
		m.fail("a field is of kind %d", kind)
	}
	return f, m.err == nil
}

func (m *message) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf("byte %d: "+format, append([]any{m.at}, args...)...)
	}
}

func (m *message) varint() uint64 {
	v, n := binary.Uvarint(m.data)
	if n <= 0 {
		m.fail("a number does not end")
		return 0
	}
	m.take(uint64(n))
	return v
}

// take reads n bytes; if there are fewer, some zeros, at most 8.
func (m *message) take(n uint64) []byte {
	if n > uint64(len(m.data)) {
		m.fail("%d bytes are wanted, and %d are left", n, len(m.data))
		return make([]byte, 8)
	}
	b := m.data[:n]
	m.data, m.at = m.data[n:], m.at+int(n)
	return b
}

// message is the field's own message.
func (f field) message() *message { return &message{data: f.data, at: f.at} }

func (f field) float() float64 { return float64(math.Float32frombits(uint32(f.bits))) }

func (f field) bool() bool { return f.bits != 0 }

// int is the field as int32.
func (f field) int() int32 { return int32(f.bits) }
