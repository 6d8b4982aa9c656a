package rag

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWarningsOfEveryAgeAreRead(t *testing.T) {
	stored := `["1 of 4 pages have no text layer: 2", "quotes or lists are nested too deep: the file was read as plain text",
		{"code": "ocr_used", "message": "page 3 was read from its picture"}]`
	want := []Warning{
		{WarnPartialText, "1 of 4 pages have no text layer: 2"},
		{WarnReadAsPlainText, "quotes or lists are nested too deep: the file was read as plain text"},
		{WarnOCRUsed, "page 3 was read from its picture"},
	}
	var got []Warning
	if err := json.Unmarshal([]byte(stored), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := json.Unmarshal([]byte(`[3]`), &got); err == nil {
		t.Error("a number was taken for a warning")
	}
}
