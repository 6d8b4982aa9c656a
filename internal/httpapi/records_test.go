package httpapi

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

const recordLines = `{"id":"a","title":"One","body":"First text","year":2026,"tags":["x","y"],"by":{"name":"Anna"}}

{"id":7,"body":["two","lines"],"extra":"more"}
no JSON
{"id":"a","body":"again"}
{"body":"no id"}
{"id":"b","body":""}
{"id":"c","body":"x","by":{"name":{}}}
{"id":"d","body":"last"}`

func TestBatchOfRecords(t *testing.T) {
	fields := []part{{"record_text", "", "body, extra"}, {"record_id", "", "id"}, {"record_title", "", "title"}, {"record_metadata", "", "year,tags,by.name"}, {"metadata", "", `{"source":"s"}`}}
	const query = "?record_text=body,extra&record_id=id&record_title=title&record_metadata=year,tags,by.name"
	want := map[string]string{
		"a": "First text", "7": "two\nlines\n\nmore", "in/r.jsonl:4": "refused: bad_record", "in/r.jsonl:5": "refused: duplicate_entry",
		"in/r.jsonl:6": "refused: bad_record", "in/r.jsonl:7": "refused: bad_record", "in/r.jsonl:8": "refused: bad_record", "d": "last",
	}
	t.Run("as a part", func(t *testing.T) {
		s, d := newDepot(t)
		body, mediaType := formOf(t, append(fields, part{"records", "in/r.jsonl", recordLines}, part{"file", "beside.txt", "B"})...)
		answer := send(t, s, "", body, mediaType)
		got := d.texts(1)
		if got["beside.txt"] != "B" || answer.Code != 200 {
			t.Errorf("%d: %s", answer.Code, answer.Body)
		}
		delete(got, "beside.txt")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		u := d.entries[1][0].Staged.Upload
		if diff := cmp.Diff(rag.Metadata{"source": "s", "year": int64(2026), "tags": []string{"x", "y"}, "by.name": "Anna"}, u.Metadata); diff != "" || u.Title != "One" || u.Filename != "r.jsonl" || u.MediaType != "text/plain" {
			t.Errorf("%s: %+v", diff, u)
		}
		for _, e := range d.entries[1] {
			if e.Refused != nil && e.Refused.Code == "bad_record" && !strings.HasPrefix(e.Refused.Message, "line ") {
				t.Errorf("%s: %s", e.Path, e.Refused.Message)
			}
		}
	})
	t.Run("as the body", func(t *testing.T) {
		s, d := newDepot(t)
		if answer := send(t, s, query, recordLines, "application/x-ndjson"); answer.Code != 200 {
			t.Errorf("%d: %s", answer.Code, answer.Body)
		}
		if got := d.texts(1); len(got) != len(want) || got["a"] != "First text" || got["records:4"] != "refused: bad_record" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("without fields", func(t *testing.T) {
		s, d := newDepot(t)
		send(t, s, "", "{\"a\":1.50}\n[1]\n{\"b\":2}", "application/jsonl")
		if diff := cmp.Diff(map[string]string{"records:1": "{\"a\":1.50}\n", "records:2": "refused: bad_record", "records:3": `{"b":2}`}, d.texts(1)); diff != "" {
			t.Error(diff)
		}
		if u := d.entries[1][0].Staged.Upload; u.MediaType != "application/json" {
			t.Errorf("%+v", u)
		}
	})
	t.Run("too many", func(t *testing.T) {
		s, d := newDepot(t)
		send(t, s, "?record_text=a", strings.Repeat("{\"a\":\"x\"}\n", 10_050), "application/jsonl")
		if got := d.texts(1); len(got) != 10_001 || got["records"] != "refused: too_many_files" {
			t.Errorf("%d entries, the last %q", len(got), got["records"])
		}
	})
	t.Run("a line that is too long", func(t *testing.T) {
		s, d := newDepot(t)
		const limit = 1 << 20 // of the depot
		send(t, s, "?record_text=a", `{"a":"`+strings.Repeat("x", limit)+"\"}\n{\"a\":\"y\"}", "application/jsonl")
		if diff := cmp.Diff(map[string]string{"records:1": "refused: file_too_large", "records:2": "y"}, d.texts(1)); diff != "" {
			t.Error(diff)
		}
	})
}
