package model_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// onnxFile makes ONNX files of a few hundred bytes: the parts that say what a graph takes and gives.
type onnxFile struct{ graph []byte }

// value is an input or output; a negative length is free, nil lengths leave the shape out.
type value struct {
	name    string
	element uint64
	lengths []int64
}

const float32Element, int64Element = 1, 7

func message(number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), content)
}

func number(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

func (v value) encode() []byte {
	tensor := number(1, v.element)
	if v.lengths != nil {
		var shape []byte
		for _, n := range v.lengths {
			if n < 0 {
				shape = append(shape, message(1, message(2, []byte("batch")))...)
			} else {
				shape = append(shape, message(1, number(1, uint64(n)))...)
			}
		}
		tensor = append(tensor, message(2, shape)...)
	}
	return append(message(1, []byte(v.name)), message(2, message(1, tensor))...)
}

func (f *onnxFile) input(v value) *onnxFile {
	f.graph = append(f.graph, message(11, v.encode())...)
	return f
}

func (f *onnxFile) output(v value) *onnxFile {
	f.graph = append(f.graph, message(12, v.encode())...)
	return f
}

// weight puts weights into the file, or names the file beside it that has them.
func (f *onnxFile) weight(name, location string, content []byte) *onnxFile {
	tensor := append(number(1, 4), number(2, float32Element)...)
	tensor = append(tensor, message(8, []byte(name))...)
	if location != "" {
		tensor = append(tensor, message(13, append(message(1, []byte("location")), message(2, []byte(location))...))...)
	} else {
		tensor = append(tensor, message(9, content)...)
	}
	f.graph = append(f.graph, message(5, tensor)...)
	return f
}

func (f *onnxFile) bytes() []byte { return append(number(1, 8), message(7, f.graph)...) }

func textInputs(names ...string) *onnxFile {
	f := &onnxFile{}
	for _, name := range names {
		f.input(value{name, int64Element, []int64{-1, -1}})
	}
	return f
}

// biEncoderGraph has weights inside, so that hashes and sizes can be played with.
func biEncoderGraph(dimension int64) *onnxFile {
	return textInputs("input_ids", "attention_mask", "token_type_ids").weight("w", "", make([]byte, 4096)).
		output(value{"last_hidden_state", float32Element, []int64{-1, -1, dimension}})
}

func crossEncoderGraph() *onnxFile {
	return textInputs("input_ids", "attention_mask").output(value{"logits", float32Element, []int64{-1, 1}})
}

const tinyTokenizer = `{"version":"1.0","model":{"type":"WordPiece","vocab":{"[UNK]":0}}}`

// files are a folder's or a repository's: path to content.
type files map[string][]byte

func (f files) json(t *testing.T, path string, content any) files {
	t.Helper()
	raw, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	f[path] = raw
	return f
}

// write puts the files into a new folder called name.
func (f files) write(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	for path, content := range f {
		full := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

type object = map[string]any

// sentenceFiles are a bi-encoder as sentence-transformers lays it out.
func sentenceFiles(t *testing.T) files {
	return files{
		"onnx/model.onnx": biEncoderGraph(384).bytes(), "tokenizer.json": []byte(tinyTokenizer),
		"README.md": []byte("---\nlicense: mit\ntags: [x]\n---\n# A model\n"), "LICENSE": []byte("MIT License\n"),
		"pytorch_model.bin": []byte("not wanted"),
	}.
		json(t, "config.json", object{"architectures": []string{"BertModel"}, "model_type": "bert", "hidden_size": 384, "max_position_embeddings": 512}).
		json(t, "modules.json", []object{{"type": "sentence_transformers.models.Transformer"}, {"type": "sentence_transformers.models.Pooling"}, {"type": "sentence_transformers.models.Normalize"}}).
		json(t, "1_Pooling/config.json", object{"word_embedding_dimension": 384, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true}).
		json(t, "sentence_bert_config.json", object{"max_seq_length": 256, "do_lower_case": false}).
		json(t, "tokenizer_config.json", object{"model_max_length": 1e30})
}

// crossFiles are a cross-encoder.
func crossFiles(t *testing.T) files {
	return files{"onnx/model.onnx": crossEncoderGraph().bytes(), "tokenizer.json": []byte(tinyTokenizer)}.
		json(t, "config.json", object{"architectures": []string{"BertForSequenceClassification"}, "id2label": object{"0": "LABEL_0"}, "max_position_embeddings": 512}).
		json(t, "tokenizer_config.json", object{"model_max_length": 512})
}
