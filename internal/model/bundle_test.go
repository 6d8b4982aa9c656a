package model_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/model"
)

// bundle opens the models that are part of the repository.
func bundle(t *testing.T) *model.Store {
	t.Helper()
	s, err := model.Open("../../models")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBundledModelsAreAsStated(t *testing.T) {
	s := bundle(t)
	if len(s.List()) != 2 {
		t.Fatalf("%d models are bundled, want 2", len(s.List()))
	}
	for _, spec := range s.List() {
		var last, total int64
		if err := s.Verify(context.Background(), spec.Name, func(done, all int64) { last, total = done, all }); err != nil {
			t.Error(err)
		}
		if last != total || total != spec.Bytes() {
			t.Errorf("%s: progress ended at %d of %d, the model has %d bytes", spec.Name, last, total, spec.Bytes())
		}
	}
}

func TestBundledDefaults(t *testing.T) {
	s := bundle(t)
	for kind, want := range map[model.Kind]string{model.BiEncoder: "bge-small-en-v1.5", model.CrossEncoder: "redkite-reranker-small-en"} {
		spec, err := s.Default(kind)
		if err != nil || spec.Name != want {
			t.Errorf("default %s is %q (%v), want %s", kind, spec.Name, err, want)
		}
	}
}

func TestReadGraphOfABundledModel(t *testing.T) {
	s := bundle(t)
	spec, err := s.Spec("redkite-reranker-small-en")
	if err != nil {
		t.Fatal(err)
	}
	g, err := model.ReadGraph(s.Path(spec, model.RoleGraph))
	if err != nil {
		t.Fatal(err)
	}
	free := []int64{-1, -1}
	want := model.Graph{
		Inputs: []model.Port{
			{Name: "input_ids", Type: "int64", Shape: free}, {Name: "token_type_ids", Type: "int64", Shape: free},
		},
		Outputs: []model.Port{{Name: "logits", Type: "float32", Shape: []int64{-1, 1}}},
	}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Error(diff)
	}
}
