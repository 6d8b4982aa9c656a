package evaluate

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// folder writes a set of files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func beir() map[string]string {
	return map[string]string{
		"corpus.jsonl":   "{\"_id\":\"a\",\"title\":\"T\",\"text\":\"x\",\"metadata\":{}}\n{\"_id\":\"b\",\"text\":\"y\"}\n",
		"queries.jsonl":  "{\"_id\":\"1\",\"text\":\"q\"}\n{\"_id\":\"2\",\"text\":\"not judged\"}\n\n{\"_id\":\"3\",\"text\":\"nothing relevant\"}\n",
		"qrels/test.tsv": "query-id\tcorpus-id\tscore\n1\ta\t1\n3\tb\t0\r\n",
	}
}

func TestLoad(t *testing.T) {
	dir := folder(t, beir())
	got, err := Load(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	want := Dataset{
		Name: filepath.Base(dir), Corpus: []Text{{ID: "a", Title: "T", Text: "x"}, {ID: "b", Text: "y"}},
		Queries: []Text{{ID: "1", Text: "q"}}, Relevant: map[string]map[string]int{"1": {"a": 1}}, Unjudged: 2,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Dataset{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a"}, got.Documents()); diff != "" {
		t.Error(diff)
	}
	if err := got.Unknown("docs", []string{"a"}); !errors.Is(err, ErrFault) || !strings.Contains(err.Error(), `test.tsv:2: document "a" is not in collection docs`) {
		t.Errorf("unknown: %v", err)
	}
	if err := got.Unknown("docs", nil); err != nil {
		t.Errorf("none unknown: %v", err)
	}
}

func TestLoadTellsWhatIsWrong(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"unknown document", "qrels/test.tsv", "1\ta\t1\n1\tzz\t1\n", `test.tsv:2: document "zz" is not in corpus.jsonl`},
		{"unknown query", "qrels/test.tsv", "9\ta\t1\n", `test.tsv:1: query "9" is not in queries.jsonl`},
		{"no tabs", "qrels/test.tsv", "q\tc\ts\n1 a 1\n", "test.tsv:2: want query, document and grade, separated by tabs; there are 1 fields"},
		{"grade", "qrels/test.tsv", "1\ta\t1\n1\tb\thigh\n", `test.tsv:2: grade "high" is no whole number`},
		{"no judgement", "qrels/test.tsv", "query-id\tcorpus-id\tscore\n", "queries.jsonl: no query has a judgement above 0"},
		{"empty judgements", "qrels/test.tsv", "\n", "test.tsv: the file is empty"},
		{"no such split", "qrels/test.tsv", "-", "test.tsv: there is no such file"},
		{"half a line", "corpus.jsonl", "{\"_id\":\"a\"}\n{\"_id\":\n", "corpus.jsonl:2: not a JSON object as expected"},
		{"no id", "corpus.jsonl", "{\"text\":\"x\"}\n", "corpus.jsonl:1: _id is missing or empty"},
		{"twice", "corpus.jsonl", "{\"_id\":\"a\"}\n{\"_id\":\"a\"}\n", `corpus.jsonl:2: _id "a" is on line 1 already`},
		{"empty corpus", "corpus.jsonl", "", "corpus.jsonl: the file is empty"},
		{"empty query", "queries.jsonl", "{\"_id\":\"1\",\"text\":\" \"}\n", `queries.jsonl:1: query "1" has no text`},
		{"many", "qrels/test.tsv", strings.Repeat("1\tzz\t1\n", 40), "and 1 more"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := beir()
			files[test.file] = test.text
			if test.text == "-" {
				delete(files, test.file)
			}
			_, err := Load(folder(t, files), "test")
			if !errors.Is(err, ErrFault) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestLoadJudgements(t *testing.T) {
	dir := folder(t, map[string]string{"mine.jsonl": `{"question":"one?","document":"a.md"}

{"id":"two","question":"two?","document":["a.md","b.md"],"text":"The  Limit"}
`})
	got, err := LoadJudgements(filepath.Join(dir, "mine.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	want := Dataset{
		Name: "mine", Queries: []Text{{ID: "1", Text: "one?"}, {ID: "two", Text: "two?"}},
		Relevant: map[string]map[string]int{"1": {"a.md": 1}, "two": {"a.md": 1, "b.md": 1, "text:1": 1}},
		Passages: map[string]string{"text:1": "the limit"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Dataset{})); diff != "" {
		t.Error(diff)
	}
	hits := []Hit{
		{DocumentID: "c.md", ChunkID: 1, Text: "nothing"}, {DocumentID: "c.md", ChunkID: 2, Text: "here THE limit is"},
		{DocumentID: "b.md", ChunkID: 3, Text: "the limit"}, {DocumentID: "b.md", ChunkID: 4}, {DocumentID: "d.md", ChunkID: 5, Text: "limit"}, {DocumentID: "d.md", ChunkID: 6},
	}
	if diff := cmp.Diff([]string{"c.md#1", "text:1", "b.md", "d.md#6"}, got.Items("two", hits)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a.md", "b.md"}, got.Documents()); diff != "" {
		t.Error(diff)
	}
}

func TestLoadJudgementsTellsWhatIsWrong(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "mine.jsonl: the file is empty"},
		{"not JSON", "{\"question\":\"q\",\"document\":\"a\"}\nwhat\n", "mine.jsonl:2: want {"},
		{"no judgement", "{\"question\":\"q\"}", "mine.jsonl:1: the question has no judgement"},
		{"no question", "{\"document\":\"a\"}", "mine.jsonl:1: question is missing or empty"},
		{"unknown member", "{\"question\":\"q\",\"doc\":\"a\"}", `mine.jsonl:1: want {"question":..., "document" or "text":...}: json: unknown field "doc"`},
		{"a number", "{\"question\":\"q\",\"document\":3}", "mine.jsonl:1: document must be a string or a list of strings"},
		{"an empty text", "{\"question\":\"q\",\"text\":[\"\"]}", "mine.jsonl:1: text is empty"},
		{"twice", "{\"id\":\"2\",\"question\":\"q\",\"document\":\"a\"}\n{\"question\":\"q\",\"document\":\"a\"}", `mine.jsonl:2: id "2" is on line 1 already`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t, map[string]string{"mine.jsonl": test.text})
			_, err := LoadJudgements(filepath.Join(dir, "mine.jsonl"))
			if !errors.Is(err, ErrFault) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestSample(t *testing.T) {
	d := Dataset{Queries: []Text{{ID: "1"}, {ID: "2"}, {ID: "3"}, {ID: "4"}, {ID: "5"}, {ID: "6"}}}
	if diff := cmp.Diff([]Text{{ID: "1"}, {ID: "3"}, {ID: "5"}}, d.Sample(3).Queries); diff != "" {
		t.Error(diff)
	}
	if len(d.Sample(0).Queries) != 6 || len(d.Sample(9).Queries) != 6 {
		t.Error("no limit, or one that is not reached, leaves queries out")
	}
}

func TestConfigurations(t *testing.T) {
	dir := folder(t, map[string]string{
		"good.json": "{\"z\": {\"rerank\": false},\n \"a\": {\"candidates\": 20, \"new\": {\"x\": [1]}}}",
		"bad.json":  "{\"z\": {},\n \"a\": 3}", "query.json": "{\"a\": {\"query\": \"x\"}}", "none.json": "{}", "list.json": "[]", "cut.json": "{\"a\": {}",
	})
	got, err := ReadConfigurations(filepath.Join(dir, "good.json"))
	if err != nil || len(got) != 2 || got[0].Name != "z" || got[1].Request.Number("candidates", 0) != 20 || got[1].Request.Text("candidates") != `{"new":{"x":[1]}}` {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, want := range map[string]string{
		"bad.json": "bad.json:2: configuration a: want a JSON object", "query.json": `"query" comes from the labelled set`,
		"none.json": "there is no configuration", "list.json": "want a JSON object", "cut.json": "not valid JSON", "absent.json": "can't be read",
	} {
		if _, err := ReadConfigurations(filepath.Join(dir, name)); !errors.Is(err, ErrFault) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	for _, text := range []string{"{}", "={}", "a=", "a=[]", "a:b={}", "a=null"} {
		if _, err := ParseConfiguration("--configuration", text); !errors.Is(err, ErrFault) {
			t.Errorf("%s: got %v", text, err)
		}
	}
	if c, err := ParseConfiguration("--configuration", `a={"filter":{"type":"eq"}}`); err != nil || string(c.Request.With("q")["query"]) != `"q"` || c.Request["query"] != nil {
		t.Errorf("got %+v, %v", c, err)
	}
	if err := DistinctNames([]Configuration{{Name: "a"}, {Name: "a"}}); !errors.Is(err, ErrFault) {
		t.Errorf("two of one name: %v", err)
	}
}
