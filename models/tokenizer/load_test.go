package tokenizer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLoadNoFile: what has no end, or is far too long, is refused before it is read.
func TestLoadNoFile(t *testing.T) {
	long := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := os.WriteFile(long, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(long, maxFile+1); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{os.DevNull: "is not a file", long: "has 268435457 bytes"} {
		if _, err := Load(path); err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
