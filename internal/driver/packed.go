package driver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yococ/yococ/codegen/pack"
	"github.com/yococ/yococ/models/checkpoint"
)

// packing is the version of what pack makes of the same plan and checkpoint.
const packing = 5

// Weights returns the model's weight file, packed if the cache has none. Whether a checkpoint is
// the one that was packed is judged by its files' stamps. p is told only if there is something
// to do.
func (c *Cache) Weights(ctx context.Context, m *Model, p Progress) (string, error) {
	id, err := m.identity()
	if err != nil {
		return "", err
	}
	name := m.Package.Plan.Package
	entry := name + "-" + id + ".safetensors"
	return c.entry(product{
		kind: packed, name: entry, model: name, size: pack.Bytes(m.Package.Plan),
		check: m.checkWeights,
		make: func(path string) error {
			if err := m.Pack(ctx, path, func(done, total int64) { p.tell("packing "+name, done, total) }); err != nil {
				return err
			}
			sum, err := m.sums(ctx)
			if err != nil || sum == "" {
				return err
			}
			return WriteFile(filepath.Join(c.dir, sums, entry), []byte(sum))
		},
	})
}

// VerifiedWeights is Weights, but reads everything: what was packed has to have its checksums, and
// the checkpoint those that it had when it was packed, or else it is packed anew.
func (c *Cache) VerifiedWeights(ctx context.Context, m *Model, p Progress) (string, error) {
	path, err := c.Weights(ctx, m, p)
	if err != nil {
		return "", err
	}
	p.tell("reading "+m.Package.Plan.Package, 0, 0)
	now, err := m.sums(ctx)
	if err != nil {
		return "", err
	}
	damage := m.verifyWeights(ctx, path)
	if err := ctx.Err(); err != nil {
		return "", err
	}
	recorded, _ := os.ReadFile(filepath.Join(c.dir, sums, filepath.Base(path)))
	if damage == nil && string(recorded) == now {
		return path, nil
	}
	if damage == nil {
		damage = errors.New("the checkpoint is not the one that it was packed from")
	}
	if err := os.Remove(path); err != nil {
		return "", fmt.Errorf("%s is of no use, delete it: %w", path, damage)
	}
	return c.Weights(ctx, m, p)
}

// checkWeights looks at the header of a weight file: it has to be this package's.
func (m *Model) checkWeights(path string) error {
	f, err := pack.Open(m.Package.Plan, path)
	if err != nil {
		return err
	}
	return f.Close()
}

// verifyWeights compares the payload of a weight file with its checksums.
func (m *Model) verifyWeights(ctx context.Context, path string) error {
	f, err := pack.Open(m.Package.Plan, path)
	if err != nil {
		return err
	}
	return errors.Join(f.Verify(ctx), f.Close())
}

// identity names what a weight file is made of: the plan, and the seed or the checkpoint's stamps
// and tensors. Their payload is not read.
func (m *Model) identity() (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, packing, m.Package.Plan.Fingerprint())
	switch {
	case m.random != nil:
		fmt.Fprintln(h, "random", *m.random)
	case m.files == nil:
		return "", fmt.Errorf("%s %w", m.Spec.File(), errNoWeights)
	default:
		for _, name := range m.files.Names() {
			t, _ := m.files.Tensor(name)
			fmt.Fprintln(h, t.Name, t.DType, t.Shape)
		}
		io.WriteString(h, m.stamps)
	}
	return hex.EncodeToString(h.Sum(nil)[:10]), nil
}

// sources are the files of a checkpoint.
func sources(f *checkpoint.Files) []string {
	var paths []string
	for _, name := range f.Names() {
		if t, _ := f.Tensor(name); !slices.Contains(paths, t.File) {
			paths = append(paths, t.File)
		}
	}
	slices.Sort(paths)
	return paths
}

// stamps tells files apart without reading them: by path, size and time of change; and, where the
// system has them, by inode and the time that no program can set.
func stamps(paths []string) (string, error) {
	var b strings.Builder
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return "", err
		}
		info, err := os.Stat(abs)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(&b, abs, info.Size(), info.ModTime().UnixNano(), inode(info))
	}
	return b.String(), nil
}

// sums are the checksums of the checkpoint's files, which have to be those that were opened; "" if
// the weights are made up.
func (m *Model) sums(ctx context.Context) (string, error) {
	if m.random != nil {
		return "", nil
	}
	paths := sources(m.files)
	var b strings.Builder
	for _, p := range paths {
		sum, err := fileSum(ctx, p)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%x %s\n", sum, filepath.Base(p))
	}
	if now, err := stamps(paths); err != nil || now != m.stamps {
		return "", errors.Join(err, fmt.Errorf("checkpoint %s was changed while it was read", m.files.Path))
	}
	return b.String(), nil
}

// fileSum is the SHA-256 of a file.
func fileSum(ctx context.Context, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	for err == nil && ctx.Err() == nil {
		_, err = io.CopyN(h, f, 1<<24)
	}
	if err == io.EOF {
		err = nil
	}
	return h.Sum(nil), errors.Join(err, ctx.Err())
}
