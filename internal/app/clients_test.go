package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/rag"
)

// example is a file of docs/examples that speaks to a server with somebody's client.
type example struct {
	file   string
	client string // as docs/compatibility.md calls it
	pin    string // "environment package" where its version is asked; empty for none
	needs  string // a path of the OpenAPI document that it calls
}

func examples() []example {
	return []example{
		{"curl/native.sh", "curl, native API", "", "/api/v1/collections"},
		{"go/main.go", "docs/examples/go/redkite (Go), native API", "", "/api/v1/collections"},
		{"python/openai_stores.py", "openai (Python)", "clients openai", "/v1/vector_stores"},
		{"python/openai_chat.py", "openai (Python)", "clients openai", "/v1/chat/completions"},
		{"python/cohere_rerank.py", "cohere (Python)", "clients cohere", "/v2/rerank"},
		{"python/langchain_retriever.py", "langchain-core (Python), native API", "clients langchain-core", "/api/v1/collections"},
		{"python/langchain_openai_embeddings.py", "langchain-openai (Python)", "clients langchain-openai", "/v1/embeddings"},
		{"python/langchain_chat.py", "langchain-openai (Python)", "clients langchain-openai", "/v1/chat/completions"},
		{"python/llamaindex_retriever.py", "llama-index-core (Python), native API", "llamaindex llama-index-core", "/api/v1/collections"},
		{"python/llamaindex_embeddings.py", "llama-index-embeddings-openai-like (Python)", "llamaindex llama-index-embeddings-openai-like", "/v1/embeddings"},
		{"python/llamaindex_chat.py", "llama-index-llms-openai-like (Python)", "llamaindex llama-index-llms-openai-like", "/v1/chat/completions"},
		{"python/mcp_tools.py", "mcp (Python)", "clients mcp", "/api/v1/key"},
		{"javascript/openai_stores.mjs", "openai (JavaScript)", "node openai", "/v1/vector_stores"},
		{"javascript/openai_chat.mjs", "openai (JavaScript)", "node openai", "/v1/chat/completions"},
		{"javascript/mcp_tools.mjs", "@modelcontextprotocol/sdk (JavaScript)", "node @modelcontextprotocol/sdk", "/api/v1/key"},
	}
}

// TestExamples runs every example of the docs with the real packages against a server with a scripted LLM. What they
// printed is docs/compatibility.md.
func TestExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server and fifteen programs")
	}
	llm := scriptedLLM(t)
	set := settings(t, t.TempDir())
	set.LoopbackWithoutKey = false
	answersWith(&set, llm)
	s := start(t, set)
	key := s.key(rag.DefaultTenant, rag.ScopeWrite)
	s.seed("Bearer " + key)
	var document struct{ Paths map[string]any }
	if raw, err := json.Marshal(s.json(200, "GET", "/openapi.json", nil)); err != nil || json.Unmarshal(raw, &document) != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	done := 0
	for _, e := range examples() {
		t.Run(e.file, func(t *testing.T) {
			if document.Paths[e.needs] == nil {
				t.Fatalf("the OpenAPI document has no %s", e.needs)
			}
			calls := e.run(t, s.base, key)
			version := e.version(t)
			for line := range strings.Lines(calls) {
				if call, _, found := strings.Cut(line, ": "); found { // what was said to it changes from run to run
					fmt.Fprintf(&table, "| %s | %s | [%s](examples/%s) | %s | passes |\n", e.client, version, e.file, e.file, call)
				}
			}
			done++
		})
	}
	if done < len(examples()) {
		return // the table would not be whole
	}
	const path = "../../docs/compatibility.md"
	old, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	want := compatibilityHead + table.String()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(old), want); diff != "" {
		t.Errorf("docs/compatibility.md is not what the clients do; if that is meant, run go test ./internal/app -run TestExamples -args -update:\n%s", diff)
	}
}

const compatibilityHead = `# Clients that were tried

Made by ` + "`TestExamples`" + `, which runs the files below with the real packages against a server with the bundled models, an embedded Milvus and an LLM
that says what the test has it say. Versions are those of .setup/requirements. A line is a call whose answer the file checks.

| client | version | file | call | result |
|---|---|---|---|---|
`

// run runs an example and gives what it printed.
func (e example) run(t *testing.T, base, key string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "docs", "examples", e.file))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var command *exec.Cmd
	switch environment, _, _ := strings.Cut(e.pin, " "); {
	case environment == "node":
		node := installed(t, "node", "node_modules")
		link := filepath.Join(t.TempDir(), "example") // packages are looked for beside the file
		if err := os.Mkdir(link, 0o755); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(node, filepath.Join(link, "node_modules")); err != nil {
			t.Fatal(err)
		}
		script := filepath.Join(link, filepath.Base(path))
		if err := os.WriteFile(script, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		command = exec.CommandContext(ctx, "node", script)
	case environment != "":
		command = exec.CommandContext(ctx, installed(t, environment, "bin", "python"), "-B", path)
	case strings.HasSuffix(path, ".go"):
		command = exec.CommandContext(ctx, "go", "run", path)
	default:
		command = exec.CommandContext(ctx, "sh", path)
	}
	command.Env = append(os.Environ(), "REDKITE_SERVER="+base, "REDKITE_API_KEY="+key, "LANGSMITH_TRACING=false")
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", e.file, err, out.String(), errs.String())
	}
	t.Log(out.String())
	return out.String()
}

// version asks an environment for the version of a package.
func (e example) version(t *testing.T) string {
	t.Helper()
	environment, name, found := strings.Cut(e.pin, " ")
	if !found {
		return ""
	}
	if environment != "node" {
		out, err := exec.CommandContext(t.Context(), installed(t, environment, "bin", "python"), "-c", "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))", name).Output()
		if err != nil {
			t.Fatalf("version of %s: %v", name, err)
		}
		return strings.TrimSpace(string(out))
	}
	raw, err := os.ReadFile(installed(t, "node", "node_modules", filepath.FromSlash(name), "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	var pkg struct{ Version string }
	if err := json.Unmarshal(raw, &pkg); err != nil {
		t.Fatal(err)
	}
	return pkg.Version
}

// scriptedLLM answers every chat with the same cited sentence, in two pieces where it is asked to stream.
func scriptedLLM(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Stream bool }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if !asked.Stream {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"id":"1","object":"chat.completion","created":1,"model":"scripted","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"The red kite has one [1]."}}],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, choice := range []string{`{"delta":{"role":"assistant","content":"The red kite "}}`, `{"delta":{"content":"has one [1]."}}`, `{"delta":{},"finish_reason":"stop"}`} {
			fmt.Fprintf(w, `data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"scripted","choices":[{"index":0,%s]}`+"\n\n", choice[1:])
		}
		fmt.Fprint(w, `data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"scripted","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}`+"\n\ndata: [DONE]\n\n")
	}))
	t.Cleanup(s.Close)
	return s.URL + "/v1"
}

// answersWith names the LLM in the settings.
func answersWith(set *config.Settings, llm string) {
	set.LLMURL, set.LLMModel, set.MaxAnswers = llm, "scripted", 4
	set.LLMTimeout, set.LLMFirstToken, set.LLMStall, set.LLMRewrite = time.Minute, time.Minute, time.Minute, time.Minute
}
