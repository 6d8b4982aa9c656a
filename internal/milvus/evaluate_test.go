package milvus

import (
	"encoding/json"

	"github.com/redkite/redkite/internal/rag"
)

// parsed reads a filter as a request brings it.
func parsed(text string) *rag.Filter {
	f, err := rag.ParseFilter([]byte(text), "/filter")
	if err != nil {
		panic(err)
	}
	return f
}

// text writes a filter as a request brings it.
func text(f rag.Filter) string {
	object := map[string]any{"type": f.Type}
	if len(f.Filters) > 0 {
		var parts []json.RawMessage
		for _, child := range f.Filters {
			parts = append(parts, json.RawMessage(text(child)))
		}
		object["filters"] = parts
	} else {
		object["key"] = f.Key
		if f.Type != rag.OpExists {
			object["value"] = f.Value
		}
	}
	out, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return string(out)
}
