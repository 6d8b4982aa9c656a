package milvus

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/rag"
)

// Milvus 2.3 knows no nulls, so a row whose document lacks a declared field holds a value that no document may have.
// Strings are kept with a "=" in front, which leaves "" for the missing one and does not change their order; a list
// that is there holds listMark, so that an empty list differs from a missing one.
const (
	missingInt    = math.MinInt64 + 1 // its digits can be written in an expression; those of MinInt64 can't
	missingFloat  = -math.MaxFloat64
	missingBool   = 0 // false is 1, true is 2
	present       = "="
	missingString = ""
	listMark      = "!"
)

// Limits of what a row can hold.
const (
	// keptString is how much of a string is kept, in bytes, cut where a character ends. A filter's strings have at most
	// 1,024 bytes, so what follows changes no comparison.
	keptString = 1025
	// maxList is the most strings in a declared list.
	maxList = 1000
	// maxRoom is the most bytes that a list, or all undeclared keys together, may take; Milvus's own limit is 65,535.
	maxRoom = 60000
)

// CheckMetadata refuses a document's metadata that its collection can't hold or filter by: a rag.Problem of kind
// rag.ErrInvalid that names the key. Values are strings, numbers, booleans and lists of strings; null is a missing key.
func CheckMetadata(fields []rag.Field, m rag.Metadata) error {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if err := rag.CheckKey(key); err != nil {
			return rag.Invalid("/metadata", "%v", err)
		}
		if _, ok := normal(m[key]); !ok && m[key] != nil {
			return rag.Invalid("/metadata/"+key, "metadata %q must be a string, a number, a boolean, or a list of strings", key)
		}
	}
	for _, f := range fields {
		value, ok := normal(m[f.Name])
		if !ok {
			continue
		}
		if err := checkField(f, value); err != nil {
			return rag.Invalid("/metadata/"+f.Name, "metadata %q: %v", f.Name, err)
		}
	}
	if size := max(len(dynamic(fields, m, true)), len(dynamic(fields, m, false))); size > maxRoom {
		return rag.Invalid("/metadata", "the metadata takes %d bytes, at most %d can be filtered by; leave out long values", size, maxRoom)
	}
	return nil
}

// checkField reports a normal value that a declared field can't hold.
func checkField(f rag.Field, value any) error {
	switch f.Type {
	case rag.FieldInt:
		if n, ok := value.(int64); !ok || n <= missingInt {
			return fmt.Errorf("the collection declares it as a whole number (int)")
		}
	case rag.FieldFloat:
		if x, ok := float(value); !ok || x <= missingFloat {
			return fmt.Errorf("the collection declares it as a number (float)")
		}
	case rag.FieldBool:
		if _, ok := value.(bool); !ok {
			return fmt.Errorf("the collection declares it as true or false (bool)")
		}
	case rag.FieldString:
		if _, ok := value.(string); !ok {
			return fmt.Errorf("the collection declares it as a string")
		}
	case rag.FieldStrings:
		list, ok := value.([]string)
		if !ok {
			return fmt.Errorf("the collection declares it as a list of strings (string[])")
		}
		if len(list) > maxList || len(joined(list)) > maxRoom {
			return fmt.Errorf("a declared list has at most %d strings, and not too long ones", maxList)
		}
	default:
		return fmt.Errorf("the collection declares it with the unknown type %q", f.Type)
	}
	return nil
}

// normal gives a metadata or filter value in one of five types: string, int64, float64 (never a whole number that an
// int64 holds), bool, []string. Strings become valid UTF-8. Anything else, nil too, is not ok.
func normal(value any) (any, bool) {
	switch v := value.(type) {
	case string:
		return clean(v), true
	case bool, int64:
		return v, true
	case int:
		return int64(v), true
	case float64:
		return number(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, true
		}
		x, err := v.Float64()
		if err != nil {
			return nil, false
		}
		return number(x)
	case []string:
		list := make([]string, len(v))
		for i, s := range v {
			list[i] = clean(s)
		}
		return list, true
	case []any:
		list := make([]string, len(v))
		for i, item := range v {
			s, ok := item.(string)
			if !ok {
				return nil, false
			}
			list[i] = clean(s)
		}
		return list, true
	}
	return nil, false
}

// number makes a float64 an int64 where that loses nothing.
func number(x float64) (any, bool) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil, false
	}
	if x == math.Trunc(x) && x >= -1<<63 && x < 1<<63 {
		return int64(x), true
	}
	return x, true
}

// float reads a normal number.
func float(value any) (float64, bool) {
	switch v := value.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// clean makes a string valid UTF-8 and cuts it to what filters can tell apart.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= keptString {
		return s
	}
	end := keptString
	for !utf8.RuneStart(s[end]) {
		end++
		if end == len(s) {
			break
		}
	}
	return s[:end]
}

// joined writes a list as one string for Milvus Lite, which is quick at LIKE and slow at arrays: ",a,b,"; a string is in
// the list where joined holds "," + its token + ",".
func joined(list []string) string {
	var b strings.Builder
	b.WriteByte(',')
	for _, s := range list {
		b.WriteString(token(s))
		b.WriteByte(',')
	}
	return b.String()
}

// token writes a string with letters, digits and non-ASCII characters only; any other byte becomes "=" and two hex
// digits. So it holds neither a comma nor what LIKE gives a meaning.
func token(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= utf8.RuneSelf:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02x", c)
		}
	}
	return b.String()
}

// The kinds of undeclared value. A value is kept under its kind and key ("n:year"), so one of another type is simply
// not there.
const (
	kindString = "s:"
	kindNumber = "n:"
	kindBool   = "b:"
	kindList   = "l:"
)

// dynamic writes the undeclared keys as the JSON object of a row's dynamic field.
func dynamic(fields []rag.Field, m rag.Metadata, lite bool) []byte {
	object := map[string]any{}
	for key, raw := range m {
		value, ok := normal(raw)
		if !ok || rag.CheckKey(key) != nil || slices.ContainsFunc(fields, func(f rag.Field) bool { return f.Name == key }) {
			continue
		}
		switch v := value.(type) {
		case string:
			object[kindString+key] = v
		case bool:
			object[kindBool+key] = v
		case []string:
			if lite {
				object[kindList+key] = joined(v)
			} else {
				object[kindList+key] = append([]string{listMark}, marked(v)...)
			}
		default:
			object[kindNumber+key] = json.RawMessage(numberLiteral(v))
		}
	}
	out, err := json.Marshal(object)
	if err != nil {
		return []byte("{}") // strings, booleans and finite numbers can always be written
	}
	return out
}

// marked puts present in front of each string.
func marked(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = present + s
	}
	return out
}

// numberLiteral writes a normal number. A float64 always shows that it is one: a long row of digits would be taken for
// a whole number, which Milvus Lite can't hold beyond 64 bits.
func numberLiteral(value any) string {
	x, ok := value.(float64)
	if !ok {
		n, _ := value.(int64)
		if n == math.MinInt64 {
			return "-9223372036854775808.0" // its digits without the sign are no int64
		}
		return strconv.FormatInt(n, 10)
	}
	return floatLiteral(x)
}

func floatLiteral(x float64) string {
	s := strconv.FormatFloat(x, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}
