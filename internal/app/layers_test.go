package app

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/redkite/redkite/"

// layers say which packages of this module each package may import (docs/design.md, section 3). A package that is not
// listed may import nothing of the module, so a new one has to be given its place here.
var (
	words      = []string{"internal/rag"}
	wire       = []string{"internal/api", "internal/api/openai", "internal/api/rerank"}
	meaning    = []string{"internal/archive", "internal/parse", "internal/chunk", "internal/lexical", "internal/encode", "internal/ingest", "internal/retrieve", "internal/answer", "internal/evaluate"}
	technology = []string{"internal/callback", "internal/httpapi", "internal/client", "internal/mcp", "internal/catalog", "internal/milvus", "internal/blob", "internal/model", "internal/onnx", "internal/bert", "internal/tokenizer", "internal/tesseract", "internal/llm"}
)

// allowed gives what a package may import, or false for a package without a place.
func allowed(pkg string) ([]string, bool) {
	switch {
	case pkg == "internal/rag" || pkg == "internal/protobuf" || pkg == "migrations" || pkg == "internal/config":
		return nil, true
	case slices.Contains(wire, pkg):
		return slices.Concat(words, []string{"internal/api"}), true
	case slices.Contains(meaning, pkg):
		return slices.Concat(words, meaning), true
	case slices.Contains(technology, pkg):
		return slices.Concat(words, meaning, wire, []string{"internal/protobuf", "migrations"}), true
	case pkg == "internal/app":
		return slices.Concat(words, meaning, technology, []string{"internal/api", "internal/config", "migrations"}), true
	case pkg == "docs/examples/go/redkite": // other modules import it: nothing but the standard library
		return nil, true
	case pkg == "docs/examples/go":
		return []string{"docs/examples/go/redkite"}, true
	case strings.HasPrefix(pkg, "cmd/"):
		return []string{"internal/app", "internal/client", "internal/config", "internal/api", "internal/evaluate", "internal/rag"}, true
	}
	return nil, false
}

func TestDependenciesPointDown(t *testing.T) {
	packages := 0
	for file, imports := range sources(t) {
		pkg := filepath.ToSlash(filepath.Dir(file))
		may, known := allowed(pkg)
		if !known {
			t.Errorf("%s: package %s has no place in the layers of docs/design.md", file, pkg)
			continue
		}
		packages++
		for _, imported := range imports {
			inside, ours := strings.CutPrefix(imported, module)
			switch {
			case imported == "C" && pkg != "internal/onnx" && pkg != "internal/bert" && pkg != "internal/tokenizer":
				t.Errorf("%s: only onnx, bert and tokenizer may touch cgo", file)
			case ours && inside != pkg && !slices.Contains(may, inside):
				t.Errorf("%s: %s may not import %s", file, pkg, inside)
			case !ours && strings.HasPrefix(pkg, "docs/") && strings.Contains(strings.Split(imported, "/")[0], "."):
				t.Errorf("%s: what is in docs uses the standard library alone, not %s", file, imported)
			}
		}
	}
	if packages < 20 {
		t.Errorf("only %d files were checked", packages)
	}
}

// TestLibrariesStayBehindTheirPackage keeps the SDKs that could leak from spreading.
func TestLibrariesStayBehindTheirPackage(t *testing.T) {
	owners := map[string]string{
		"github.com/milvus-io/milvus-sdk-go": "internal/milvus",
		"github.com/yalue/onnxruntime_go":    "internal/onnx",
		"github.com/daulet/tokenizers":       "internal/tokenizer",
		"github.com/riverqueue/river":        "internal/catalog",
		"modernc.org/sqlite":                 "internal/catalog",
		"github.com/jackc/pgx":               "internal/catalog",
		"github.com/gin-gonic/gin":           "internal/httpapi",
		"github.com/klippa-app/go-pdfium":    "internal/parse",
		"github.com/blevesearch/bleve":       "internal/lexical",
		"gocloud.dev":                        "internal/blob",
		"github.com/aws/aws-sdk-go-v2":       "internal/blob",
		"github.com/modelcontextprotocol":    "internal/mcp",
		"github.com/openai/openai-go":        "internal/llm",
		"github.com/tiktoken-go/tokenizer":   "internal/llm",
	}
	used := map[string]bool{}
	for file, imports := range sources(t) {
		for _, imported := range imports {
			for library, owner := range owners {
				if !strings.HasPrefix(imported, library) {
					continue
				}
				used[library] = true
				if pkg := filepath.ToSlash(filepath.Dir(file)); pkg != owner {
					t.Errorf("%s: %s belongs to %s", file, library, owner)
				}
			}
		}
	}
	for library := range owners {
		if !used[library] {
			t.Errorf("nothing imports %s any more: drop its rule", library)
		}
	}
}

// sources gives the imports of every Go file of the module that is not a test, by path from the module's root.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	const root = "../.."
	files := map[string][]string{}
	for _, top := range []string{"cmd", "docs", "internal", "migrations"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			pkg := filepath.Base(filepath.Dir(path))
			if strings.HasSuffix(pkg, "test") { // conformance suites: catalogtest, milvustest
				return nil
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			imports := []string{}
			for _, spec := range parsed.Imports {
				imports = append(imports, strings.Trim(spec.Path.Value, `"`))
			}
			files[name] = imports
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}
