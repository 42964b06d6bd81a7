package asm

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vectors are the registers 0 to 31.
var vectors = []reg.Register{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
}

// TestEncode holds encodings to those of GNU as.
func TestEncode(t *testing.T) {
	for _, c := range []struct {
		rm        operand.Op
		vvvv, dst int
		want      string
	}{
		{reg.Z3, 2, 1, "62f26e4852cb"},
		{reg.Z31, 30, 29, "62020e4052ef"},
		{reg.Z8, 16, 7, "62d27e4052f8"},
		{operand.Mem{Base: reg.RAX}, 5, 4, "62f256485220"},
		{operand.Mem{Base: reg.R12, Disp: 64}, 5, 20, "62c2564852642401"},
		{operand.Mem{Base: reg.R13, Disp: -8192}, 5, 4, "62d25648526580"},
		{operand.Mem{Base: reg.RSP, Disp: 8192}, 25, 4, "62f2364052a42400200000"},
		{operand.Mem{Base: reg.R9, Disp: 4}, 25, 4, "62d2364052a104000000"},
	} {
		got, err := encoded["VDPBF16PS"].bytes([]operand.Op{c.rm, vectors[c.vvvv], vectors[c.dst]})
		if err != nil || hex.EncodeToString(got) != c.want {
			t.Errorf("%s, Z%d, Z%d: %x, %v, want %s", c.rm.Asm(), c.vvvv, c.dst, got, err, c.want)
		}
	}
}

// TestEncodeRefuses what it cannot encode.
func TestEncodeRefuses(t *testing.T) {
	for _, rm := range []operand.Op{operand.U8(1), operand.Mem{Base: reg.RAX, Index: reg.RCX, Scale: 4}, operand.NewDataAddr(operand.NewStaticSymbol("x"), 0)} {
		if code, err := encoded["VDPBF16PS"].bytes([]operand.Op{rm, reg.Z1, reg.Z2}); err == nil {
			t.Errorf("%s was encoded: %x", rm.Asm(), code)
		}
	}
	if code, err := encoded["VDPBF16PS"].bytes([]operand.Op{reg.Z1, operand.Mem{Base: reg.RAX}, reg.Z2}); err == nil {
		t.Errorf("memory as the second operand was encoded: %x", code)
	}
}

// TestDisassemble has every register and address of an instruction read back by binutils.
func TestDisassemble(t *testing.T) {
	objdump, err := exec.LookPath("objdump")
	if err != nil {
		t.Skip("there is no objdump, and Go's disassembler does not know EVEX")
	}
	var code bytes.Buffer
	var want []string
	add := func(rm operand.Op, text string, vvvv, dst int) {
		b, err := encoded["VDPBF16PS"].bytes([]operand.Op{rm, vectors[vvvv], vectors[dst]})
		if err != nil {
			t.Fatal(err)
		}
		code.Write(b)
		want = append(want, fmt.Sprintf("vdpbf16ps zmm%d,zmm%d,%s", dst, vvvv, text))
	}
	for i := range vectors {
		add(vectors[i], fmt.Sprintf("zmm%d", i), (i+7)%32, (3*i+1)%32)
	}
	bases := []reg.Register{reg.RAX, reg.RCX, reg.RDX, reg.RBX, reg.RSP, reg.RBP, reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13, reg.R14, reg.R15}
	names := []string{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}
	for i, base := range bases {
		for _, disp := range []int{0, 64, -128, 4, -68, 8192, 1 << 20} {
			text := fmt.Sprintf("ZMMWORD PTR [%s%+#x]", names[i], disp)
			if disp == 0 && i%8 != 5 {
				text = fmt.Sprintf("ZMMWORD PTR [%s]", names[i])
			}
			add(operand.Mem{Base: base, Disp: disp}, text, (i+disp/4)&31, (2*i+disp/64)&31)
		}
	}
	path := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(path, code.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(objdump, "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--no-show-raw-insn", path).Output()
	if err != nil {
		t.Skipf("objdump does not read x86-64 here: %v", err)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		if _, text, ok := strings.Cut(line, ":\t"); ok {
			got = append(got, strings.Join(strings.Fields(text), " "))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d instructions, want %d:\n%s", len(got), len(want), out)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("instruction %d is %s, want %s", i, got[i], want[i])
		}
	}
}
