package redkite_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
)

// standIn is a server that says what a real one said to the requests of the example; internal/app runs the package
// against a real one.
func standIn() *httptest.Server {
	routes := http.NewServeMux()
	says := func(pattern string, status int, body string) {
		routes.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		})
	}
	says("POST /api/v1/collections", 409, `{"status":409,"code":"conflict","detail":"collection birds exists already","request_id":"R1"}`)
	says("POST /api/v1/collections/birds/documents", 202, `{"documents":[{"document_id":"kite","job_id":7,"status":"queued","unchanged":false}],"errors":[]}`)
	says("GET /api/v1/jobs/7", 200, `{"id":7,"state":"succeeded"}`)
	says("POST /api/v1/collections/birds/ask", 200, `event: passages
data: {"passages":[{"number":1,"document_id":"kite","title":"Red kite","text":"It has a forked tail."}]}

event: delta
data: {"text":"The red kite has one [1]"}

event: citation
data: {"number":1,"document_id":"kite","title":"Red kite"}

event: delta
data: {"text":"."}

event: done
data: {"finish_reason":"stop"}

`)
	return httptest.NewServer(routes)
}
