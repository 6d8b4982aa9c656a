package bert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

const bundled = "../../models/redkite-reranker-small-en/model.onnx"

func written(t testing.TB, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// swapped is the bundled graph with every occurrence of a name changed for one of the same length.
func swapped(t *testing.T, from, to string) string {
	t.Helper()
	raw, err := os.ReadFile(bundled)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(raw), from, to)
	if text == string(raw) || len(from) != len(to) {
		t.Fatalf("nothing changes from %q to %q", from, to)
	}
	return written(t, []byte(text))
}

// TestReadNetworkTakesNothingElse changes one thing of a graph at a time.
func TestReadNetworkTakesNothingElse(t *testing.T) {
	for name, path := range map[string]string{
		"another producer":   swapped(t, "\x12\x07redkite", "\x12\x07redkits"),
		"another activation": swapped(t, "Gelu", "Relu"),
		"other ids":          swapped(t, "input_ids", "input_idz"),
		"another norm":       swapped(t, "LayerNormalization", "GroupNormalization"),
	} {
		if _, err := readNetwork(path); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
	if _, err := readNetwork("there-is-none.onnx"); err == nil {
		t.Error("a file that is not there was read")
	}
	raw, err := os.ReadFile(bundled)
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []int{0, 1, 100, 4096, len(raw) / 2, len(raw) - 1} {
		if _, err := readNetwork(written(t, raw[:length])); err == nil {
			t.Errorf("the first %d bytes were read", length)
		}
	}
}

// FuzzReadNetwork must give an error or a network, and end.
func FuzzReadNetwork(f *testing.F) {
	node := protowire.AppendBytes(protowire.AppendTag(nil, nodeType, protowire.BytesType), []byte("Shape"))
	graph := protowire.AppendBytes(protowire.AppendTag(nil, graphNode, protowire.BytesType), node)
	model := protowire.AppendBytes(protowire.AppendTag(nil, modelProducer, protowire.BytesType), []byte(producer))
	f.Add(protowire.AppendBytes(protowire.AppendTag(model, modelGraph, protowire.BytesType), graph))
	if raw, err := os.ReadFile(bundled); err == nil {
		f.Add(raw[len(raw)-4096:])
		f.Add(raw[:4096])
	}
	path := filepath.Join(f.TempDir(), "model.onnx")
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = readNetwork(path)
	})
}
