package httpapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/redkite/redkite/internal/rag"
)

// unmarshal reads JSON that stands at a place in a request.
func unmarshal(raw []byte, at string, into any) error {
	err := json.Unmarshal(raw, into)
	if err == nil {
		return nil
	}
	if place, message, ok := mistyped(raw, err); ok {
		return rag.Invalid(at+place, "%s %s", cmp.Or(memberOf(at+place), "the request"), message)
	}
	return rag.Invalid(at, "the request is not valid JSON: %v", err)
}

// mistyped says, in JSON's words, what is wrong with a value of a type that its member can't have, and gives the value's
// place as a JSON pointer. It is false for other errors.
func mistyped(raw []byte, err error) (place, message string, ok bool) {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return "", "", false
	}
	number, _ := strings.CutPrefix(wrong.Value, "number ")
	got := cmp.Or(map[string]string{"string": "a string", "bool": "true or false", "array": "a list", "object": "an object", "number": "a number"}[wrong.Value], clipped(number))
	return placeOf(raw, wrong.Offset), fmt.Sprintf("must be %s, not %s", typeName(wrong.Type, number != wrong.Value, number), got), true
}

// typeName is what JSON calls what a Go type holds. Where a number was given that it does not hold, it says why.
func typeName(t reflect.Type, isNumber bool, number string) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		switch {
		case isNumber && strings.ContainsAny(number, ".eE"):
			return "a whole number, written in digits alone"
		case isNumber:
			return "a whole number of " + strconv.Itoa(t.Bits()) + " bits"
		}
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		if isNumber {
			return "a number of " + strconv.Itoa(t.Bits()) + " bits"
		}
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	}
	return "an object"
}

// nesting is an object or list that a value stands in.
type nesting struct {
	list  bool
	index int    // of a list's next item
	key   string // of an object's value that comes; after it the next key
	keyed bool   // key was read
}

// placeOf is the JSON pointer of the value at whose end, or first bracket, offset is, as a json.UnmarshalTypeError has it.
func placeOf(raw []byte, offset int64) string {
	tokens := json.NewDecoder(bytes.NewReader(raw))
	tokens.UseNumber()
	var around []nesting
	for {
		token, err := tokens.Token()
		if err != nil {
			return pointerOf(around)
		}
		delim, _ := token.(json.Delim)
		if delim == ']' || delim == '}' {
			around = around[:len(around)-1]
			passValue(around)
			continue
		}
		if key, ok := token.(string); ok && len(around) > 0 && !around[len(around)-1].list && !around[len(around)-1].keyed {
			around[len(around)-1].key, around[len(around)-1].keyed = key, true
			continue
		}
		_, number := token.(json.Number)
		if end := tokens.InputOffset(); end >= offset || number && end == offset-1 { // one too many for a number that no type asked for
			return pointerOf(around)
		}
		if delim != 0 {
			around = append(around, nesting{list: delim == '['})
		} else {
			passValue(around)
		}
	}
}

// passValue goes on behind a value.
func passValue(around []nesting) {
	if len(around) > 0 {
		inner := &around[len(around)-1]
		inner.index, inner.keyed = inner.index+1, false
	}
}

func pointerOf(around []nesting) string {
	var b strings.Builder
	for _, n := range around {
		part := strconv.Itoa(n.index)
		if !n.list {
			part = strings.NewReplacer("~", "~0", "/", "~1").Replace(n.key)
		}
		b.WriteString("/" + part)
	}
	return b.String()
}

// format is huma's JSON, whose errors are said as unmarshal says them: huma takes only their text, so that the place stands
// at its end, where humaErrors finds it.
func format() huma.Format {
	return huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: func(raw []byte, into any) error {
		err := json.Unmarshal(raw, into)
		if place, message, ok := mistyped(raw, err); ok {
			return errors.New(cmp.Or(memberOf(place), "the request") + " " + message + placed + place)
		}
		return err
	}}
}

// placed stands between what is wrong and its place.
const placed = " at "
