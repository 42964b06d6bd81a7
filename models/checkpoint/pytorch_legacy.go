package checkpoint

import (
	"encoding/binary"
	"math"
)

// Before PyTorch 1.6 torch.save wrote, one after another: four pickles, a magic number, the version
// 1001, a description of the machine, and the object; a pickle with the list of the storages' keys;
// then for every key the number of its elements in 8 bytes, and the elements.
const legacyMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

func (p *pytorch) openLegacy() error {
	at := 0
	var parts [5]unpickled
	for i := range parts {
		text := p.data[at:]
		v, err := unpickle(text[:min(len(text), maxPickle)])
		if err != nil {
			return p.err("", at+err.at, "%s", err.msg)
		}
		parts[i] = v
		at += v.used
	}
	if parts[1].value != int64(1001) {
		return p.err("", len(legacyMagic), "its version is %s: want 1001", describe(parts[1].value))
	}
	if machine, ok := parts[2].value.(*dict); ok {
		for _, e := range machine.pairs {
			if e.key == "little_endian" && e.value == false {
				p.big = true
			}
		}
	}
	keys, ok := parts[4].value.(*sequence)
	if !ok {
		return p.err("", at, "the list of storages is %s", describe(parts[4].value))
	}
	p.root = parts[3].value
	return p.locate(keys.items, parts[3].storages, at)
}

// locate finds where each storage lies: how many bytes it takes follows from its type, which the
// object tells.
func (p *pytorch) locate(keys []any, types map[string]*storage, at int) error {
	found := map[string][]byte{}
	for _, k := range keys {
		key, ok := k.(string)
		s := types[key]
		if !ok || s == nil || s.dtype == "" {
			return p.err("", at, "the type of storage %s is not known", describe(k))
		}
		size := s.dtype.Size()
		if len(p.data)-at < 8 {
			return p.err("", at, "the file is cut off before storage %s", show(key))
		}
		n := binary.LittleEndian.Uint64(p.data[at:]) // always little endian
		at += 8
		if n > math.MaxInt64/16 || int(n)*size > len(p.data)-at {
			return p.err("", at, "storage %s should have %d elements of %s: the file is cut off", show(key), n, s.dtype)
		}
		end := at + int(n)*size
		found[key] = p.data[at:end:end]
		at = end
	}
	p.bytes = func(tensor, key string) ([]byte, error) {
		data, ok := found[key]
		if !ok {
			return nil, p.err(tensor, -1, "its storage %s is not in the file", show(key))
		}
		return data, nil
	}
	return nil
}
