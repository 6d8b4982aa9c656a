package model_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/model"
)

func writeGraph(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadGraph(t *testing.T) {
	f := textInputs("input_ids").
		input(value{"w", float32Element, []int64{4}}). // old files list weights among the inputs
		weight("w", "", make([]byte, 1<<20)).
		weight("a", "model.onnx_data", nil).weight("b", "model.onnx_data", nil).
		output(value{"half", 10, nil}).output(value{"odd", 99, []int64{}})
	g, err := model.ReadGraph(writeGraph(t, f.bytes()))
	if err != nil {
		t.Fatal(err)
	}
	want := model.Graph{
		Inputs:   []model.Port{{Name: "input_ids", Type: "int64", Shape: []int64{-1, -1}}},
		Outputs:  []model.Port{{Name: "half", Type: "float16"}, {Name: "odd", Type: "type 99", Shape: []int64{}}},
		External: []string{"model.onnx_data"},
	}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Error(diff)
	}
}

// The weights lie beyond what is read: a file with a hole of 3 GB in their place is read as quickly.
func TestReadGraphSkipsWeights(t *testing.T) {
	const hole = 3 << 30
	path := filepath.Join(t.TempDir(), "large.onnx")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	rest := crossEncoderGraph().graph
	raw := []byte{9<<3 | 2, 0x80, 0x80, 0x80, 0x80, 0x0c} // raw_data of 3 << 30 bytes
	tensor := []byte{5<<3 | 2, 0x86, 0x80, 0x80, 0x80, 0x0c}
	size := len(tensor) + len(raw) + hole + len(rest)
	head := []byte{7<<3 | 2}
	for n := size; ; n >>= 7 {
		if n < 0x80 {
			head = append(head, byte(n))
			break
		}
		head = append(head, byte(n)|0x80)
	}
	head = append(append(head, tensor...), raw...)
	if _, err := out.Write(head); err != nil {
		t.Fatal(err)
	}
	if _, err := out.WriteAt(rest, int64(len(head)+hole)); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	g, err := model.ReadGraph(path)
	if err != nil || len(g.Inputs) != 2 || g.Outputs[0].Name != "logits" {
		t.Errorf("got %+v, %v", g, err)
	}
}

func TestReadGraphRefuses(t *testing.T) {
	whole := biEncoderGraph(384).bytes()
	for name, content := range map[string][]byte{
		"empty":       {},
		"text":        []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"),
		"cut off":     whole[:len(whole)-9],
		"no graph":    number(1, 8),
		"endless tag": []byte(strings.Repeat("\xff", 64)),
	} {
		t.Run(name, func(t *testing.T) {
			if g, err := model.ReadGraph(writeGraph(t, content)); err == nil {
				t.Errorf("read as %+v", g)
			}
		})
	}
}

func FuzzReadGraph(f *testing.F) {
	f.Add(biEncoderGraph(384).bytes())
	f.Add(textInputs("a").weight("a", "x", nil).bytes())
	f.Fuzz(func(t *testing.T, content []byte) {
		g, err := model.ReadGraph(writeGraph(t, content))
		if err == nil && len(g.Outputs) == 0 {
			t.Error("a graph without outputs was read")
		}
	})
}

func TestCheck(t *testing.T) {
	spec := model.Spec{
		Name: "m", Kind: model.BiEncoder, Dimension: 384, Dir: "models", Inputs: []string{"input_ids", "attention_mask"},
		Outputs: []string{"last_hidden_state"}, Files: []model.File{{Role: model.RoleGraph, Path: "m/model.onnx"}},
	}
	ids, mask := model.Port{Name: "input_ids", Type: "int64"}, model.Port{Name: "attention_mask", Type: "int64"}
	out := model.Port{Name: "last_hidden_state", Type: "float32", Shape: []int64{-1, -1, 384}}
	logits := model.Port{Name: "logits", Type: "float32", Shape: []int64{-1, 1}}
	cross := spec
	cross.Kind, cross.Dimension, cross.Outputs = model.CrossEncoder, 0, []string{"logits"}
	shaped := func(p model.Port, shape ...int64) model.Port { p.Shape = shape; return p }
	tests := []struct {
		name string
		spec model.Spec
		in   []model.Port
		out  []model.Port
		want string // part of the error; empty for none
	}{
		{"as stated", spec, []model.Port{mask, ids}, []model.Port{out}, ""},
		{"no shape", spec, []model.Port{ids, mask}, []model.Port{{Name: out.Name, Type: "float32"}}, ""},
		{"free dimension", spec, []model.Port{ids, mask}, []model.Port{shaped(out, -1, -1, -1)}, ""},
		{"pooled", spec, []model.Port{ids, mask}, []model.Port{shaped(out, -1, 384)}, ""},
		{"input missing", spec, []model.Port{ids}, []model.Port{out}, "expected the inputs attention_mask, input_ids, found input_ids"},
		{"narrow input", spec, []model.Port{{Name: "input_ids", Type: "int32"}, mask}, []model.Port{out}, "input_ids must be int64, found int32"},
		{"other output", spec, []model.Port{ids, mask}, []model.Port{logits}, "expected the outputs last_hidden_state, found logits"},
		{"half output", spec, []model.Port{ids, mask}, []model.Port{{Name: out.Name, Type: "float16"}}, "must be float32, found float16"},
		{"other dimension", spec, []model.Port{ids, mask}, []model.Port{shaped(out, -1, -1, 768)}, "expected the dimension 384, found 768"},
		{"image", spec, []model.Port{ids, mask}, []model.Port{shaped(out, -1, 3, 8, 384)}, "[?, 3, 8, 384]"},
		{"logit", cross, []model.Port{ids, mask}, []model.Port{logits}, ""},
		{"two classes", cross, []model.Port{ids, mask}, []model.Port{shaped(logits, -1, 2)}, "one logit a pair"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := model.Check(test.spec, model.Graph{Inputs: test.in, Outputs: test.out})
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantProblem(t, err, "model_mismatch", test.want, "model m", filepath.Join("models", "m", "model.onnx"))
		})
	}
}
