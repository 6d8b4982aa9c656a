package httpapi

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/rag"
)

// reading are the routes that change nothing although their method could. Every other route that is not GET needs a key
// that may write, so that a route which nobody entered here is refused to other keys rather than open.
func reading() []string {
	const collection = "POST " + apiBase + "/collections/:collection"
	return []string{
		collection + "/search", collection + "/context", collection + "/ask",
		"POST /mcp", "DELETE /mcp", // what its tools do is asked for again, route by route
		"POST /v1/chat/completions", "POST /v1/embeddings", "POST /v1/vector_stores/:store/search",
		"POST /v1/rerank", "POST /v2/rerank", "POST /rerank", "POST /embed",
	}
}

// scopeOf says what a key must be allowed on a route, by its method and pattern.
func scopeOf(method, route string) rag.Scope {
	if method == http.MethodGet || method == http.MethodHead || slices.Contains(reading(), method+" "+route) {
		return rag.ScopeRead
	}
	return rag.ScopeWrite
}

// checkScope refuses a key that may not do what the route does.
func checkScope(c *gin.Context, p rag.Principal) error {
	if p.MayWrite() || scopeOf(c.Request.Method, c.FullPath()) == rag.ScopeRead {
		return nil
	}
	return &rag.Problem{
		Kind: rag.ErrForbidden, Code: "key_read_only",
		Message: "this API key may only read, and " + c.Request.Method + " " + asked(c.Request) + " changes data; 'redkite keys create' makes a key that may write",
	}
}
