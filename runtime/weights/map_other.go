//go:build !linux && !darwin

package weights

import (
	"errors"
	"io"
	"os"
)

// mapFile reads a file into memory.
func mapFile(f *os.File, size int64) (data []byte, unmap func() error, err error) {
	if int64(int(size)) != size {
		return nil, nil, errors.New("more than this machine can address")
	}
	data = aligned(int(size))
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, nil, err
	}
	return data, func() error { return nil }, nil
}
