package model_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/redkite/redkite/internal/model"
	"github.com/redkite/redkite/internal/rag"
)

const bgePrefix = "Represent this sentence for searching relevant passages: "

func add(t *testing.T, name string, f files, o model.AddOptions) (model.Spec, error) {
	t.Helper()
	s, _ := open(t)
	return s.Add(context.Background(), f.write(t, name), o)
}

func TestAddReadsWhatTheFolderSays(t *testing.T) {
	e5 := sentenceFiles(t).json(t, "config_sentence_transformers.json", object{"prompts": object{"query": "query: ", "document": "passage: "}})
	bge := sentenceFiles(t).json(t, "1_Pooling/config.json", object{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})
	roberta := crossFiles(t).
		json(t, "config.json", object{"architectures": []string{"XLMRobertaForSequenceClassification"}, "model_type": "xlm-roberta", "num_labels": 1, "max_position_embeddings": 514}).
		json(t, "tokenizer_config.json", object{})
	bi := model.Spec{
		Kind: model.BiEncoder, Inputs: []string{"input_ids", "attention_mask", "token_type_ids"}, Outputs: []string{"last_hidden_state"},
		Dimension: 384, MaxTokens: 256, Pooling: model.PoolMean, Normalize: true, Licence: "mit",
	}
	cross := model.Spec{
		Kind: model.CrossEncoder, Inputs: []string{"input_ids", "attention_mask"}, Outputs: []string{"logits"},
		MaxTokens: 512, ScoreType: model.ScoreLogit, Licence: "unknown",
	}
	with := func(s model.Spec, name string, change func(*model.Spec)) model.Spec {
		s.Name, s.Source = name, name
		change(&s)
		return s
	}
	for _, test := range []struct {
		files files
		want  model.Spec
	}{
		{sentenceFiles(t), with(bi, "all-MiniLM-L6-v2", func(*model.Spec) {})},
		{e5, with(bi, "some-prompted", func(s *model.Spec) { s.QueryPrefix, s.PassagePrefix = "query: ", "passage: " })},
		{bge, with(bi, "bge-base-en-v1.5", func(s *model.Spec) { s.Pooling, s.QueryPrefix = model.PoolCLS, bgePrefix })},
		{sentenceFiles(t), with(bi, "e5-small-v2", func(s *model.Spec) { s.QueryPrefix, s.PassagePrefix = "query: ", "passage: " })},
		{crossFiles(t), with(cross, "ms-marco-MiniLM-L6-v2", func(*model.Spec) {})},
		{roberta, with(cross, "bge-reranker-base", func(*model.Spec) {})},
	} {
		t.Run(test.want.Name, func(t *testing.T) {
			got, err := add(t, test.want.Name, test.files, model.AddOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(model.Spec{}, "Files", "Dir"), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAddTakesTheOptionsOverTheFiles(t *testing.T) {
	no, empty, query := false, "", "find: "
	got, err := add(t, "bge-base-en-v1.5", sentenceFiles(t), model.AddOptions{
		Name: "mine", Pooling: model.PoolCLS, Normalize: &no, QueryPrefix: &query, PassagePrefix: &empty, MaxTokens: 128, Licence: "own", Source: "home",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := model.Spec{
		Name: "mine", Kind: model.BiEncoder, Inputs: got.Inputs, Outputs: got.Outputs, Dimension: 384, MaxTokens: 128,
		Pooling: model.PoolCLS, QueryPrefix: query, Licence: "own", Source: "home",
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(model.Spec{}, "Files", "Dir")); diff != "" {
		t.Error(diff)
	}
}

func TestAddCopiesWhatIsNeeded(t *testing.T) {
	f := sentenceFiles(t)
	f["onnx/model.onnx"] = textInputs("input_ids", "attention_mask").weight("w", "model.onnx_data", nil).
		output(value{"last_hidden_state", float32Element, []int64{-1, -1, 384}}).bytes()
	f["onnx/model.onnx_data"] = make([]byte, 1000)
	s, home := open(t)
	spec, err := s.Add(context.Background(), f.write(t, "large"), model.AddOptions{})
	if err != nil {
		t.Fatal(err)
	}
	type file struct{ Role, Path, Origin string }
	var got []file
	for _, f := range spec.Files {
		got = append(got, file{f.Role, f.Path, f.Origin})
	}
	want := []file{
		{"graph", "large/model.onnx", "onnx/model.onnx"}, {"data", "large/model.onnx_data", "onnx/model.onnx_data"},
		{"tokenizer", "large/tokenizer.json", "tokenizer.json"}, {"licence", "large/LICENSE", "LICENSE"}, {"card", "large/README.md", "README.md"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	again, err := model.Open(emptyBundle(t), home)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Verify(context.Background(), "large", nil); err != nil {
		t.Error(err)
	}
	if p := again.Path(spec, model.RoleData); p != filepath.Join(home, "large", "model.onnx_data") {
		t.Errorf("weights lie at %s", p)
	}
	if err := os.Remove(again.Path(spec, model.RoleData)); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, again.Verify(context.Background(), "large", nil), "model_file_missing", "model.onnx_data")
}

func TestAddChoosesAVariant(t *testing.T) {
	f := sentenceFiles(t)
	f["onnx/model_qint8_avx512_vnni.onnx"] = biEncoderGraph(384).weight("more", "", []byte("int8")).bytes()
	got, err := add(t, "m", f, model.AddOptions{Graph: "model_qint8_avx512_vnni.onnx"})
	if err != nil || got.Files[0].Path != "m/model_qint8_avx512_vnni.onnx" {
		t.Errorf("got %+v, %v", got.Files, err)
	}
	_, err = add(t, "m", f, model.AddOptions{Graph: "model_O3.onnx"})
	wantProblem(t, err, "model_unfit", "model_O3.onnx", "onnx/model.onnx, onnx/model_qint8_avx512_vnni.onnx")
}

func TestAddRefuses(t *testing.T) {
	without := func(paths ...string) files {
		f := sentenceFiles(t)
		for _, p := range paths {
			delete(f, p)
		}
		return f
	}
	with := func(f files, path string, content []byte) files { f[path] = content; return f }
	for name, test := range map[string]struct {
		files files
		o     model.AddOptions
		want  string
	}{
		"no graph":          {without("onnx/model.onnx"), model.AddOptions{}, "neither onnx/model.onnx nor model.onnx"},
		"no tokenizer":      {without("tokenizer.json"), model.AddOptions{}, "tokenizer.json"},
		"tokenizer pointer": {with(without(), "tokenizer.json", []byte("version https://git-lfs.github.com/spec/v1")), model.AddOptions{}, "no tokenizer"},
		"graph pointer":     {with(without(), "onnx/model.onnx", []byte("version https://git-lfs.github.com/spec/v1")), model.AddOptions{}, "no ONNX model"},
		"broken config":     {with(without(), "config.json", []byte("{")), model.AddOptions{}, "config.json"},
		"kind unknown":      {without("config.json", "modules.json", "1_Pooling/config.json"), model.AddOptions{}, "kind"},
		"pooling unknown":   {without("1_Pooling/config.json"), model.AddOptions{}, "pooling"},
		"tokens unknown":    {without("config.json", "sentence_bert_config.json"), model.AddOptions{}, "max tokens"},
		"max pooling":       {without().json(t, "1_Pooling/config.json", object{"pooling_mode_max_tokens": true}), model.AddOptions{}, "max"},
		"two poolings":      {without().json(t, "1_Pooling/config.json", object{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}), model.AddOptions{}, "cls and mean"},
		"dense layer":       {without().json(t, "modules.json", []object{{"type": "sentence_transformers.models.Dense"}}), model.AddOptions{}, "Dense"},
		"too many tokens":   {without(), model.AddOptions{MaxTokens: 1024}, "512"},
		"wrong dimension":   {without(), model.AddOptions{Dimension: 768}, "expected the dimension 768, found 384"},
		"name of a path":    {without(), model.AddOptions{Name: "../x"}, "model name"},
		"weights elsewhere": {with(without(), "onnx/model.onnx", biEncoderGraph(384).weight("x", "../../etc/passwd", nil).bytes()), model.AddOptions{}, "not beside it"},
		"weights missing":   {with(without(), "onnx/model.onnx", biEncoderGraph(384).weight("x", "model.onnx_data", nil).bytes()), model.AddOptions{}, "model.onnx_data"},
		"decoder":           {with(without(), "onnx/model.onnx", textInputs("input_ids", "attention_mask", "past_key").output(value{"logits", float32Element, nil}).bytes()), model.AddOptions{}, "past_key"},
		"three classes":     {crossFiles(t).json(t, "config.json", object{"architectures": []string{"XForSequenceClassification"}, "num_labels": 3}), model.AddOptions{}, "3 numbers"},
	} {
		t.Run(name, func(t *testing.T) {
			s, home := open(t)
			_, err := s.Add(context.Background(), test.files.write(t, "m"), test.o)
			wantProblem(t, err, "model_unfit", test.want)
			wantOnlyLock(t, home)
			if len(s.List()) != 0 {
				t.Error("the refused model is listed")
			}
		})
	}
}

// wantOnlyLock asks that nothing was left behind.
func wantOnlyLock(t *testing.T, home string) {
	t.Helper()
	entries, err := os.ReadDir(home)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != ".lock" {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestAddRefusesANameThatIsTaken(t *testing.T) {
	s, spec := added(t)
	_, err := s.Add(context.Background(), sentenceFiles(t).write(t, "added"), model.AddOptions{})
	wantProblem(t, err, "model_exists", "added", spec.Dir)
	if !errors.Is(err, rag.ErrConflict) {
		t.Errorf("%v is no conflict", err)
	}
	if err := s.Verify(context.Background(), "added", nil); err != nil {
		t.Errorf("the model that was there is harmed: %v", err)
	}
}

// A process that dies after the folder is in place and before the manifest is leaves no model, and is no hindrance.
func TestAddAfterAnInterruptedOne(t *testing.T) {
	s, home := open(t)
	for _, dir := range []string{"m", ".adding-1"} {
		if err := os.MkdirAll(filepath.Join(home, dir, "half"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Add(context.Background(), sentenceFiles(t).write(t, "m"), model.AddOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{filepath.Join(home, "m", "half"), filepath.Join(home, ".adding-1")} {
		if _, err := os.Stat(gone); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there", gone)
		}
	}
}

func TestAddNeedsAFolderOfItsOwn(t *testing.T) {
	s, err := model.Open(emptyBundle(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(context.Background(), t.TempDir(), model.AddOptions{}); err == nil {
		t.Error("a model was added to the bundle")
	}
}

func TestAddStopsWithItsContext(t *testing.T) {
	s, home := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Add(ctx, sentenceFiles(t).write(t, "m"), model.AddOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wantOnlyLock(t, home)
}

// A store that another process added to finds the model without being opened again.
func TestSpecFindsWhatAnotherStoreAdded(t *testing.T) {
	s, home := open(t)
	other, err := model.Open(emptyBundle(t), home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(context.Background(), crossFiles(t).write(t, "late"), model.AddOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Spec("late"); err != nil {
		t.Error(err)
	}
}
