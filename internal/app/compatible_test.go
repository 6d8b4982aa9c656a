package app

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"log/slog"
	"math"
	"mime/multipart"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/model"
	"github.com/redkite/redkite/internal/rag"
)

// openAIFile uploads a file as OpenAI's clients do.
func (s *server) openAIFile(name, text string) string {
	s.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	err := form.WriteField("purpose", "assistants")
	part, created := form.CreateFormFile("file", name)
	if err != nil || created != nil {
		s.t.Fatal(err, created)
	}
	if _, err := part.Write([]byte(text)); err != nil {
		s.t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		s.t.Fatal(err)
	}
	return s.do(200, "POST", "/v1/files", form.FormDataContentType(), &body)["id"].(string)
}

// poll asks for a batch until none of its files is in progress, as upload_and_poll does.
func (s *server) poll(path string) object {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		batch := s.json(200, "GET", path, nil)
		if batch["file_counts"].(object)["in_progress"] == 0.0 {
			return batch
		}
	}
	s.t.Fatalf("%s does not end", path)
	return nil
}

// TestCompatibleAPIs goes through OpenAI's and the rerank APIs with the real models.
func TestCompatibleAPIs(t *testing.T) {
	own := ownWorkOf(t)
	s := start(t, settings(t, t.TempDir()))
	store := s.json(200, "POST", "/v1/vector_stores", object{"name": "Birds"})
	base := "/v1/vector_stores/" + store["id"].(string)
	texts := map[string]string{
		"kite.txt":    "The red kite is a bird of prey with a forked tail. It soars over farmland and eats carrion.",
		"penguin.txt": "Emperor penguins breed during the Antarctic winter and huddle together against the cold.",
		"robin.txt":   "The robin sings all year round, also at night near street lamps.",
	}
	ids := map[string]string{}
	var files []object
	for name, text := range texts {
		ids[name] = s.openAIFile(name, text)
		files = append(files, object{"file_id": ids[name], "attributes": object{"name": strings.TrimSuffix(name, ".txt"), "letters": len(text)}})
	}
	batch := s.json(200, "POST", base+"/file_batches", object{"files": files})
	if batch = s.poll(base + "/file_batches/" + batch["id"].(string)); batch["status"] != "completed" || batch["file_counts"].(object)["completed"] != 3.0 {
		t.Fatalf("batch %v", batch)
	}
	search := func(body object) (names []string) {
		t.Helper()
		for _, r := range s.json(200, "POST", base+"/search", body)["data"].([]any) {
			names = append(names, r.(object)["filename"].(string))
		}
		return names
	}
	t.Run("search is the native one", func(t *testing.T) {
		var native []string
		for _, h := range s.hits("Birds", object{"query": asked}) {
			native = append(native, h["filename"].(string))
		}
		if got := search(object{"query": asked}); !slices.Equal(got, native) || got[0] != "kite.txt" || len(got) != 3 {
			t.Errorf("got %v, natively %v", got, native)
		}
		if got := search(object{"query": asked, "filters": object{"type": "eq", "key": "name", "value": "robin"}}); !slices.Equal(got, []string{"robin.txt"}) {
			t.Errorf("filtered %v", got)
		}
	})
	t.Run("attributes are found when they are answered", func(t *testing.T) {
		file := s.json(200, "POST", base+"/files/"+ids["robin.txt"], object{"attributes": object{"name": "Erithacus"}})
		if file["status"] != "completed" {
			t.Fatalf("got %v", file)
		}
		if got := search(object{"query": asked, "filters": object{"type": "eq", "key": "name", "value": "Erithacus"}}); !slices.Equal(got, []string{"robin.txt"}) {
			t.Errorf("found %v", got)
		}
	})
	t.Run("embeddings are the model's", func(*testing.T) { s.embeddingsAre(own) })
	t.Run("scores are the encoder's", func(*testing.T) { s.rerankedAs(own) })
	t.Run("deletions are seen at once", func(t *testing.T) {
		s.json(200, "DELETE", base+"/files/"+ids["robin.txt"], nil)
		s.json(200, "DELETE", "/v1/files/"+ids["kite.txt"], nil)
		if got := search(object{"query": asked}); !slices.Equal(got, []string{"penguin.txt"}) {
			t.Errorf("found %v", got)
		}
		again := s.json(200, "POST", base+"/files", object{"file_id": ids["robin.txt"]})
		if again["status"] != "in_progress" {
			t.Errorf("attached again: %v", again)
		}
		s.json(404, "POST", base+"/files", object{"file_id": ids["kite.txt"]})
		s.json(200, "DELETE", base, nil)
		s.json(404, "GET", "/api/v1/collections/Birds", nil)
		s.json(200, "GET", "/v1/files/"+ids["robin.txt"], nil)
	})
}

// The texts that the clients' answers are compared by.
const (
	sample  = "The red kite has a forked tail."
	asked   = "Which bird has a forked tail?"
	deepEnd = 3 // the one of samples that is longer than the cross-encoder reads at once
)

func samples() []string {
	return []string{"Penguins huddle against the cold.", sample, "Robins sing at night.", strings.Repeat("Nothing to see here. ", 300) + "The swallow has a forked tail."}
}

// ownWork is what ingestion and search themselves make of the samples.
type ownWork struct {
	biEncoder, crossEncoder string
	vectors                 map[string]rag.Embedding // of sample, by input_type
	logits                  []float32                // of samples
}

// ownWorkOf asks the encoders while no server has them open.
func ownWorkOf(t *testing.T) (own ownWork) {
	t.Helper()
	s := settings(t, t.TempDir())
	where, err := findPaths(s)
	if err != nil {
		t.Fatal(err)
	}
	models, err := model.Open(where.models, where.addedModels)
	if err != nil {
		t.Fatal(err)
	}
	e, err := openEncoders(t.Context(), where.onnxRuntime, models, s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	}()
	b, err := e.open(t.Context(), e.defBi.Name)
	if err != nil {
		t.Fatal(err)
	}
	passages, err := b.EmbedPassages(t.Context(), []string{sample})
	if err != nil {
		t.Fatal(err)
	}
	query, err := b.EmbedQuery(t.Context(), sample)
	if err != nil {
		t.Fatal(err)
	}
	scores, err := e.cross.Score(t.Context(), encode.Pairs{Query: asked, Passages: samples()})
	if err != nil {
		t.Fatal(err)
	}
	return ownWork{e.defBi.Name, e.defCE.Name, map[string]rag.Embedding{"passage": passages[0], "query": query}, scores.Logits}
}

// embeddingsAre compares with what ingestion and search embed.
func (s *server) embeddingsAre(own ownWork) {
	for role, want := range own.vectors {
		answer := s.json(200, "POST", "/v1/embeddings", object{"model": own.biEncoder, "input": []string{"other", sample}, "input_type": role, "encoding_format": "base64"})
		raw, err := base64.StdEncoding.DecodeString(answer["data"].([]any)[1].(object)["embedding"].(string))
		if err != nil || len(raw) != 4*len(want) {
			s.t.Fatalf("%v, %d bytes", err, len(raw))
		}
		for i := range want {
			if got := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])); got != want[i] {
				s.t.Fatalf("%s: number %d is %v, the model's %v", role, i, got, want[i])
			}
		}
	}
}

// rerankedAs compares every family's scores with the cross-encoder's own, and looks at a long document's.
func (s *server) rerankedAs(own ownWork) {
	body := object{"model": own.crossEncoder, "query": asked, "documents": samples()}
	for _, path := range []string{"/v2/rerank", "/v1/rerank"} {
		results := s.json(200, "POST", path, body)["results"].([]any)
		if first := results[0].(object)["index"]; first != 1.0 {
			s.t.Errorf("%s: %v is first", path, first)
		}
		if second := results[1].(object)["index"]; second != float64(deepEnd) {
			s.t.Errorf("%s: the end of a long document was not read: %v", path, results)
		}
		for _, r := range results {
			r := r.(object)
			i := int(r["index"].(float64))
			want := 1 / (1 + math.Exp(-float64(own.logits[i])))
			if got := r["relevance_score"].(float64); i != deepEnd && math.Abs(got-want) > 1e-9 {
				s.t.Errorf("%s: document %d has %v, the encoder says %v", path, i, got, want)
			}
		}
	}
	body["max_tokens_per_doc"] = 400
	short := s.json(200, "POST", "/v2/rerank", body)["results"].([]any)
	if second := short[1].(object)["index"]; second == float64(deepEnd) {
		s.t.Errorf("what max_tokens_per_doc leaves out was read: %v", short)
	}
}

// TestEmbeddingLeavesSearchesTheirShare measures a search while others embed as much as they can.
func TestEmbeddingLeavesSearchesTheirShare(t *testing.T) {
	if os.Getenv("REDKITE_TEST_MEASURE") == "" {
		t.Skip("set REDKITE_TEST_MEASURE to measure")
	}
	s := start(t, settings(t, t.TempDir()))
	s.json(201, "POST", "/api/v1/collections", object{"name": "c"})
	var documents []object
	for range 40 {
		documents = append(documents, object{"text": strings.Repeat("The red kite soars over farmland. ", 10) + time.Now().String()})
	}
	s.json(200, "POST", "/api/v1/collections/c/documents?wait=60s", uploads(documents...))
	inputs := make([]string, 128)
	for i := range inputs {
		inputs[i] = strings.Repeat("words to embed ", 80)
	}
	measure := func(name string) {
		var took []time.Duration
		for i := range 20 {
			began := time.Now()
			s.json(200, "POST", "/api/v1/collections/c/search", object{"query": "kite " + time.Now().String(), "candidates": 20 + i%2})
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		t.Logf("%s: search p50 %v, p95 %v", name, took[10], took[18])
	}
	measure("alone")
	for _, clients := range []int{1, 4} {
		stop, done := make(chan struct{}), make(chan int)
		for range clients {
			go func() {
				n := 0
				for {
					select {
					case <-stop:
						done <- n
						return
					default:
						s.json(200, "POST", "/v1/embeddings", object{"model": "bge-small-en-v1.5", "input": inputs})
						n++
					}
				}
			}()
		}
		time.Sleep(500 * time.Millisecond)
		measure(map[int]string{1: "one client embeds", 4: "four clients embed"}[clients])
		close(stop)
		for range clients {
			<-done
		}
	}
}
