package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// verbs are what can be asked of a resource beside its methods, written after its address and a colon, as in
// POST /api/v1/jobs/7:cancel. gin can't route on a part of a path segment: inside, the verb is a segment of its own.
func verbs() []string { return []string{"cancel", "retry", "reconcile", "rebuild", "delete"} }

// nameVerbs writes the native API's addresses with verbs as clients use them; other APIs write /cancel so.
func nameVerbs(document *huma.OpenAPI) {
	for _, verb := range verbs() {
		for path, item := range document.Paths {
			if resource, ok := strings.CutSuffix(path, "/"+verb); ok && strings.HasPrefix(path, apiBase+"/") {
				delete(document.Paths, path)
				document.Paths[resource+":"+verb] = item
			}
		}
	}
}

// withVerbs lets next see /jobs/7:cancel as /jobs/7/cancel, whatever the method: one that does not go with a verb is
// refused. Among documents only POST, with which no document is addressed, takes a verb: an id may end like one.
func withVerbs(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, apiBase+"/") && (r.Method == http.MethodPost || !strings.Contains(r.URL.Path, "/documents")) {
			for _, verb := range verbs() {
				if path, ok := strings.CutSuffix(r.URL.Path, ":"+verb); ok && !strings.HasSuffix(path, "/") {
					r = r.WithContext(context.WithValue(r.Context(), keyAsked, r.URL.Path))
					r.URL.Path = path + "/" + verb
					if raw := strings.TrimSuffix(r.URL.RawPath, verb); raw != "" {
						colon := 1
						if strings.HasSuffix(strings.ToUpper(raw), "%3A") {
							colon = 3
						}
						r.URL.RawPath = raw[:len(raw)-colon] + "/" + verb
					}
					break
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// asked is the path that the client asked for.
func asked(r *http.Request) string {
	if path, ok := r.Context().Value(keyAsked).(string); ok {
		return path
	}
	return r.URL.Path
}
