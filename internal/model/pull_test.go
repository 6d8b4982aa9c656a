package model_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/redkite/redkite/internal/model"
	"github.com/redkite/redkite/internal/rag"
)

// from are options that fail fast against a stand-in.
func from(s *standIn) model.PullOptions {
	return model.PullOptions{Endpoint: s.hub.URL, Backoff: time.Millisecond, Retries: 2, IdleTimeout: 20 * time.Second}
}

func pull(t *testing.T, hub *standIn, ref string) (*model.Store, model.Spec, string) {
	t.Helper()
	s, home := open(t)
	spec, err := s.Pull(context.Background(), ref, from(hub))
	if err != nil {
		t.Fatal(err)
	}
	return s, spec, home
}

func TestPull(t *testing.T) {
	hub := newStandIn(t, sentenceFiles(t))
	s, home := open(t)
	o := from(hub)
	var done, total int64
	o.Progress = func(file string, d, all int64) {
		if file == "onnx/model.onnx" {
			done, total = d, all
		}
	}
	got, err := s.Pull(context.Background(), "owner/m", o)
	if err != nil {
		t.Fatal(err)
	}
	want := model.Spec{
		Name: "m", Kind: model.BiEncoder, Inputs: []string{"input_ids", "attention_mask", "token_type_ids"}, Outputs: []string{"last_hidden_state"},
		Dimension: 384, MaxTokens: 256, Pooling: model.PoolMean, Normalize: true, Licence: "mit", Source: hub.hub.URL + "/owner/m",
		Provenance: model.Provenance{Repository: hub.hub.URL + "/owner/m", Revision: commit},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(model.Spec{}, "Files", "Dir")); diff != "" {
		t.Error(diff)
	}
	if err := s.Verify(context.Background(), "m", nil); err != nil {
		t.Error(err)
	}
	if size := int64(len(hub.files["onnx/model.onnx"])); done != size || total != size || got.Files[0].SHA256 != digest(hub.files["onnx/model.onnx"]) {
		t.Errorf("progress ended at %d of %d, the file has %d bytes; pinned %s", done, total, size, got.Files[0].SHA256)
	}
	if len(hub.fetched("pytorch_model.bin")) != 0 {
		t.Error("a file was fetched that is not needed")
	}
	left, err := os.ReadDir(filepath.Join(home, ".pulling"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestPullFetchesWeightsBesideTheGraph(t *testing.T) {
	f := crossFiles(t)
	f["onnx/model_fp32.onnx"] = textInputs("input_ids", "attention_mask").weight("w", "weights.bin", nil).
		output(value{"logits", float32Element, []int64{-1, 1}}).bytes()
	f["onnx/weights.bin"] = make([]byte, 5000)
	hub := newStandIn(t, f)
	o := from(hub)
	o.Graph, o.Name = "model_fp32.onnx", "other"
	s, _ := open(t)
	spec, err := s.Pull(context.Background(), "owner/m@"+commit, o)
	if err != nil {
		t.Fatal(err)
	}
	if spec.Name != "other" || spec.Files[1].Path != "other/weights.bin" || len(hub.fetched("onnx/model.onnx")) != 0 {
		t.Errorf("got %+v", spec)
	}
}

// The first answers break off; the pull goes on from what is there, in one call.
func TestPullGoesOnAfterABreak(t *testing.T) {
	hub := newStandIn(t, sentenceFiles(t))
	hub.set(func() { hub.cut, hub.cuts = 1500, 2 })
	s, _, _ := pull(t, hub, "owner/m")
	if diff := cmp.Diff([]string{"onnx/model.onnx", "onnx/model.onnx bytes=1500-", "onnx/model.onnx bytes=3000-"}, hub.fetched("onnx/model.onnx")); diff != "" {
		t.Error(diff)
	}
	if err := s.Verify(context.Background(), "m", nil); err != nil {
		t.Error(err)
	}
}

// A later pull goes on from what an earlier one, which gave up, has left.
func TestPullGoesOnLater(t *testing.T) {
	for name, noRange := range map[string]bool{"with ranges": false, "from a hub without ranges": true} {
		t.Run(name, func(t *testing.T) {
			hub := newStandIn(t, sentenceFiles(t))
			hub.set(func() { hub.hang = true })
			s, _ := open(t)
			o := from(hub)
			o.IdleTimeout, o.Retries = 30*time.Millisecond, 1
			_, err := s.Pull(context.Background(), "owner/m", o)
			wantProblem(t, err, "model_hub_unavailable", "try again")
			if !errors.Is(err, rag.ErrUnavailable) {
				t.Errorf("%v is not of the kind unavailable", err)
			}
			small := len(hub.fetched("config.json"))
			hub.set(func() { hub.hang, hub.noRange = false, noRange })
			if _, err := s.Pull(context.Background(), "owner/m", from(hub)); err != nil {
				t.Fatal(err)
			}
			if last := hub.fetched("onnx/model.onnx"); last[len(last)-1] == "onnx/model.onnx" {
				t.Errorf("the last request began anew: %v", last)
			}
			if len(hub.fetched("config.json")) != small {
				t.Error("a file that was whole was fetched again")
			}
			if err := s.Verify(context.Background(), "m", nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPullStopsWithItsContext(t *testing.T) {
	hub := newStandIn(t, sentenceFiles(t))
	hub.set(func() { hub.hang = true })
	ctx, cancel := context.WithCancel(context.Background())
	o := from(hub)
	o.Progress = func(file string, _, _ int64) {
		if file == "onnx/model.onnx" {
			cancel()
		}
	}
	s, _ := open(t)
	if _, err := s.Pull(ctx, "owner/m", o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPullTriesAgainWhenTheHubIsBusy(t *testing.T) {
	hub := newStandIn(t, sentenceFiles(t))
	hub.set(func() { hub.busy = 2 })
	pull(t, hub, "owner/m")

	hub.set(func() { hub.busy = 3 })
	s, _ := open(t)
	_, err := s.Pull(context.Background(), "owner/m", from(hub))
	wantProblem(t, err, "model_hub_unavailable")
}

func TestPullRefusesAWrongHash(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, file := range []string{"onnx/model.onnx", "tokenizer.json"} {
			if plain && !isLarge(file) {
				continue // nothing says its hash
			}
			t.Run(fmt.Sprintf("%s, plain listing %v", file, plain), func(t *testing.T) {
				hub := newStandIn(t, sentenceFiles(t))
				hub.set(func() { hub.corrupt, hub.plain = file, plain })
				s, _ := open(t)
				_, err := s.Pull(context.Background(), "owner/m", from(hub))
				wantProblem(t, err, "model_hash", file, "expected")
				if len(s.List()) != 0 {
					t.Error("the model is listed")
				}
				hub.set(func() { hub.corrupt = "" })
				if _, err := s.Pull(context.Background(), "owner/m", from(hub)); err != nil {
					t.Errorf("after the hub is mended: %v", err)
				}
			})
		}
	}
}

func TestPullRefuses(t *testing.T) {
	hub := newStandIn(t, sentenceFiles(t))
	delete(hub.files, "tokenizer.json")
	s, _ := open(t)
	for ref, want := range map[string][]string{
		"m": {"model_reference", "OWNER/NAME"}, "owner/m@a/../b": {"model_reference"}, "owner/m/x": {"model_reference"},
		"../m": {"model_reference"}, "owner/n": {"model_hub_not_found", "owner/n"}, "owner/m@v9": {"model_hub_not_found", "v9"},
		"owner/m": {"model_unfit", "tokenizer.json"},
	} {
		_, err := s.Pull(context.Background(), ref, from(hub))
		wantProblem(t, err, want[0], want[1:]...)
	}
}

func TestPullAgainVerifies(t *testing.T) {
	hub := newStandIn(t, sentenceFiles(t))
	s, spec, _ := pull(t, hub, "owner/m")
	before := len(hub.requests)
	for _, ref := range []string{"owner/m", "owner/m@" + commit} {
		again, err := s.Pull(context.Background(), ref, from(hub))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(spec, again); diff != "" {
			t.Error(diff)
		}
	}
	if len(hub.requests) != before {
		t.Errorf("fetched again: %v", hub.requests[before:])
	}
}

func TestPullAgainMendsWhatIsMissing(t *testing.T) {
	hub := newStandIn(t, sentenceFiles(t))
	s, spec, _ := pull(t, hub, "owner/m")
	if err := os.Remove(s.Path(spec, model.RoleTokenizer)); err != nil {
		t.Fatal(err)
	}
	if err := flipLastByte(s.Path(spec, model.RoleGraph)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pull(context.Background(), "owner/m", from(hub)); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(context.Background(), "m", nil); err != nil {
		t.Error(err)
	}
}

// A hub that has other files for the same commit is refused, whether it says so or only sends them.
func TestPullAgainRefusesChangedFiles(t *testing.T) {
	changed := func(content []byte) []byte {
		return append(slices.Clone(content[:len(content)-1]), content[len(content)-1]^1)
	}
	for _, plain := range []bool{false, true} {
		for _, file := range []string{"onnx/model.onnx", "tokenizer.json"} {
			if plain && !isLarge(file) {
				continue
			}
			t.Run(fmt.Sprintf("%s, plain listing %v", file, plain), func(t *testing.T) {
				hub := newStandIn(t, sentenceFiles(t))
				hub.set(func() { hub.plain = plain })
				s, _, _ := pull(t, hub, "owner/m")
				hub.set(func() { hub.files[file] = changed(hub.files[file]) })
				_, err := s.Pull(context.Background(), "owner/m", from(hub))
				wantProblem(t, err, "model_hash", "pinned to "+commit, file)
				if err := s.Verify(context.Background(), "m", nil); err != nil {
					t.Errorf("what was pinned is harmed: %v", err)
				}
			})
		}
	}
	t.Run("sent in place of a missing one", func(t *testing.T) {
		hub := newStandIn(t, sentenceFiles(t))
		s, spec, _ := pull(t, hub, "owner/m")
		if err := os.Remove(s.Path(spec, model.RoleTokenizer)); err != nil {
			t.Fatal(err)
		}
		hub.set(func() { hub.corrupt = "tokenizer.json" })
		_, err := s.Pull(context.Background(), "owner/m", from(hub))
		wantProblem(t, err, "model_hash", "tokenizer.json")
	})
}

// A branch that has moved on is another model: the one that is there stays as collections know it.
func TestPullRefusesAnotherCommitUnderTheSameName(t *testing.T) {
	hub := newStandIn(t, sentenceFiles(t))
	s, _, _ := pull(t, hub, "owner/m")
	const later = "fedcba9876543210fedcba9876543210fedcba98"
	hub.set(func() { hub.commit = later })
	_, err := s.Pull(context.Background(), "owner/m", from(hub))
	wantProblem(t, err, "model_exists", commit, later, "another name")
	o := from(hub)
	o.Name = "m-later"
	if spec, err := s.Pull(context.Background(), "owner/m", o); err != nil || spec.Provenance.Revision != later {
		t.Errorf("got %+v, %v", spec.Provenance, err)
	}
}

func TestPullSendsTheTokenToTheHubAlone(t *testing.T) {
	hub := newStandIn(t, sentenceFiles(t))
	hub.set(func() { hub.token = "secret" })
	s, _ := open(t)
	_, err := s.Pull(context.Background(), "owner/m", from(hub))
	wantProblem(t, err, "model_hub_refused", "access token")
	if !errors.Is(err, rag.ErrForbidden) {
		t.Errorf("%v is not of the kind forbidden", err)
	}
	o := from(hub)
	o.Token = "secret"
	if _, err := s.Pull(context.Background(), "owner/m", o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{""}, hub.storeAuth); diff != "" {
		t.Errorf("the second host saw: %s", diff)
	}
	o.Endpoint = "http://hub.example"
	_, err = s.Pull(context.Background(), "owner/n", o)
	wantProblem(t, err, "model_hub", "TLS")
}

func TestPullRefusesARedirectWithoutTLS(t *testing.T) {
	plain := newStandIn(t, sentenceFiles(t))
	hub := httptest.NewTLSServer(http.RedirectHandler(plain.hub.URL, http.StatusFound))
	defer hub.Close()
	s, _ := open(t)
	_, err := s.Pull(context.Background(), "owner/m", model.PullOptions{Endpoint: hub.URL, Transport: hub.Client().Transport, Retries: 1, Backoff: time.Millisecond})
	wantProblem(t, err, "model_hub", "without TLS")
}

func TestPullOneAtATime(t *testing.T) {
	hub := newStandIn(t, sentenceFiles(t))
	s, _ := open(t)
	o := from(hub)
	var inner error
	o.Progress = func(string, int64, int64) {
		if inner == nil {
			_, inner = s.Pull(context.Background(), "owner/m", from(hub))
		}
	}
	if _, err := s.Pull(context.Background(), "owner/m", o); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, inner, "models_busy", "wait")
}
