//go:build cgo && linux && amd64

package onnx_test

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"testing"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/onnx"
)

// emulated names the variable that has this test's process print its logits instead.
const emulated = "REDKITE_TEST_EMULATED"

// logits runs the bundled cross-encoder over rows of several widths.
func logits(t *testing.T) []float32 {
	s := load(t, open(t), crossEncoder)
	var out []float32
	for _, width := range []int{6, 17, 40} {
		err := s.Run(t.Context(), batch(width, 101), func(o encode.Output) error { out = append(out, o.Data...); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestProductsAreRightWithoutVNNI runs the bundled model on an emulated processor that has AVX2 and no VNNI, where plain
// 8-bit products saturate, and compares with this processor's logits.
func TestProductsAreRightWithoutVNNI(t *testing.T) {
	if os.Getenv(emulated) != "" {
		if !onnx.Saturates() {
			t.Fatal("the emulated processor has VNNI instructions")
		}
		if err := json.NewEncoder(os.NewFile(3, "logits")).Encode(logits(t)); err != nil {
			t.Fatal(err)
		}
		return
	}
	if onnx.Saturates() {
		t.Skip("this processor has no VNNI instructions to compare with")
	}
	qemu, err := exec.LookPath("qemu-x86_64")
	if err != nil {
		t.Skip("not checked: qemu-x86_64 is missing; install the package qemu-user")
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), qemu, "-cpu", "Haswell", os.Args[0], "-test.run", "^TestProductsAreRightWithoutVNNI$")
	command.Env, command.ExtraFiles = append(os.Environ(), emulated+"=1"), []*os.File{write}
	said, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("run under emulation: %v\n%s", err, said)
	}
	write.Close()
	var got []float32
	if err := json.NewDecoder(read).Decode(&got); err != nil {
		t.Fatal(err)
	}
	for i, want := range logits(t) {
		if math.Abs(float64(got[i]-want)) > 0.02 {
			t.Errorf("row %d: logit %v without VNNI, %v with it", i, got[i], want)
		}
	}
}
