package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

type object = map[string]any

// do sends a request with the key of the tenant and decodes the answer; a status other than want fails the test.
func (l *depository) do(want int, method, path string, body any) object {
	l.t.Helper()
	return l.as("good", want, method, path, body)
}

func (l *depository) as(key string, want int, method, path string, body any) object {
	l.t.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			l.t.Fatal(err)
		}
		text = string(raw)
	}
	answer := ask(l.server, method, path, text, func(r *http.Request) {
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		} else {
			r.RemoteAddr = "10.0.0.5:1"
		}
	})
	if answer.Code != want {
		l.t.Fatalf("%s %s: got %d, want %d: %s", method, path, answer.Code, want, answer.Body)
	}
	l.described(method, path, answer)
	out := object{}
	if bytes.HasPrefix(answer.Body.Bytes(), []byte("[")) {
		var list []any
		if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil {
			l.t.Fatal(err)
		}
		return object{"list": list}
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &out); err != nil {
		l.t.Fatalf("%s %s: %v in %s", method, path, err, answer.Body)
	}
	if poll := answer.Header().Get(headerPollAfter); poll != "" {
		out["poll"] = poll
	}
	if after := answer.Header().Get("Retry-After"); after != "" {
		out["retry"] = after
	}
	return out
}

// described fails the test unless an answer is as the OpenAPI document says.
func (l *depository) described(method, path string, answer *httptest.ResponseRecorder) {
	l.t.Helper()
	path, _, _ = strings.Cut(path, "?")
	wanted := []reflect.Type{familyOf(path).errorType()}
	for _, routes := range [][]route{
		l.server.modelRoutes(), l.server.embeddingRoutes(), l.server.fileRoutes(), l.server.storeRoutes(), l.server.storeFileRoutes(), l.server.fileBatchRoutes(),
		l.server.rerankRoutes(), l.server.teiRoutes(),
	} {
		for _, r := range routes {
			if r.method != method || !regexp.MustCompile("^"+pathParameter.ReplaceAllString(r.path, "[^/]+")+"$").MatchString(path) {
				continue
			}
			if wanted = []reflect.Type{familyOf(path).errorType(), r.orFails}; answer.Code == 200 {
				wanted = []reflect.Type{r.response, r.or}
			}
		}
	}
	var loose any
	if err := json.Unmarshal(answer.Body.Bytes(), &loose); err != nil {
		l.t.Fatalf("%s %s: %v in %s", method, path, err, answer.Body)
	}
	var failures []error
	for _, t := range wanted {
		if t == nil {
			continue
		}
		schema := l.server.schemas.Schema(t, true, "")
		result := &huma.ValidateResult{}
		huma.Validate(l.server.schemas, schema, huma.NewPathBuffer([]byte("body"), 4), huma.ModeReadFromServer, loose, result)
		if len(result.Errors) == 0 {
			return
		}
		failures = append(failures, result.Errors...)
	}
	l.t.Errorf("%s %s: the answer is not as described: %v in %.300s", method, path, errors.Join(failures...), answer.Body)
}

// file uploads a file and gives its id.
func (l *depository) file(name, text string) string {
	l.t.Helper()
	body, mediaType := formOf(l.t, part{"purpose", "", "assistants"}, part{"file", name, text})
	answer := ask(l.server, "POST", "/v1/files", body, func(r *http.Request) { r.Header.Set("Content-Type", mediaType) })
	var f struct{ ID string }
	if err := json.Unmarshal(answer.Body.Bytes(), &f); err != nil || answer.Code != 200 {
		l.t.Fatalf("upload: %d %s", answer.Code, answer.Body)
	}
	return f.ID
}

// until asks until the answer is as wanted, as OpenAI's clients do.
func (l *depository) until(path string, over func(object) bool) object {
	l.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		answer := l.do(200, "GET", path, nil)
		if over(answer) {
			return answer
		}
		if time.Now().After(end) {
			l.t.Fatalf("%s stays %v", path, answer)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func status(want string) func(object) bool { return func(o object) bool { return o["status"] == want } }

// ids gives a member of each of a list's items.
func each(answer object, member string) []string {
	out := []string{}
	for _, item := range answer["data"].([]any) {
		out = append(out, fmt.Sprint(item.(object)[member]))
	}
	return out
}
