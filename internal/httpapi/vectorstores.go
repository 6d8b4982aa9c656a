package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/api/openai"
	"github.com/redkite/redkite/internal/rag"
)

// OpenAI is what only the routes of OpenAI's clients need.
type OpenAI struct {
	Files       Files
	FileIntake  FileIntake
	Originals   Originals
	Stores      Stores
	StoreFiles  StoreFiles
	FileBatches FileBatches
}

// Stores finds and labels collections by their numbers.
type Stores interface {
	// CollectionByID does not ask whose it is.
	CollectionByID(ctx context.Context, id rag.CollectionID) (rag.Collection, error)
	VectorStore(ctx context.Context, tenant string, id rag.CollectionID) (rag.VectorStore, error)
	VectorStores(ctx context.Context, tenant string, at rag.Cursor) ([]rag.VectorStore, error)
	SetLabel(ctx context.Context, tenant string, id rag.CollectionID, label rag.Label) error
}

const (
	maxStorePage   = 100
	usualStorePage = 20
	maxStoreFiles  = 500 // attached when a store is made
	maxPairs       = 16  // of metadata or attributes
	maxPairKey     = 64  // characters
	maxPairValue   = 512
)

func (s *Server) storeRoutes() []route {
	const store = "/v1/vector_stores/:store"
	one := reflect.TypeFor[openai.VectorStore]()
	return []route{
		{
			method: http.MethodPost, path: "/v1/vector_stores", id: "openai-create-vector-store", tag: "openai", summary: "Make a vector store",
			about:   "That is a collection, which the native API sees too.",
			request: reflect.TypeFor[openai.NewVectorStore](), response: one, handle: s.postStore,
		},
		{
			method: http.MethodGet, path: "/v1/vector_stores", id: "openai-list-vector-stores", tag: "openai", summary: "List vector stores",
			about: "All collections, also those that were made by the native API.",
			query: pageQuery(maxStorePage, usualStorePage), response: reflect.TypeFor[openai.Page[openai.VectorStore]](), handle: s.listStores,
		},
		{
			method: http.MethodGet, path: store, id: "openai-get-vector-store", tag: "openai", summary: "Show a vector store",
			about:    "By its id, or by its collection's name; so everywhere below.",
			response: one, handle: s.inStore(func(c *gin.Context, collection rag.Collection) (any, error) {
				return s.showStore(c.Request.Context(), collection.ID)
			}),
		},
		{
			method: http.MethodPost, path: store, id: "openai-modify-vector-store", tag: "openai", summary: "Change a vector store's name or metadata",
			request: reflect.TypeFor[openai.VectorStorePatch](), response: one, handle: s.inStore(s.patchStore),
		},
		{
			method: http.MethodDelete, path: store, id: "openai-delete-vector-store", tag: "openai", summary: "Delete a vector store",
			about:    "With the collection and its documents, at once. Files stay.",
			response: reflect.TypeFor[openai.Deleted](), handle: s.inStore(s.deleteStore),
		},
		{
			method: http.MethodPost, path: store + "/search", id: "openai-search-vector-store", tag: "openai", summary: "Find passages",
			request: reflect.TypeFor[openai.StoreSearch](), response: reflect.TypeFor[openai.StoreSearchPage](), handle: s.inStore(s.searchStore),
		},
	}
}

// inStore gives a handler the collection that its path names.
func (s *Server) inStore(handle func(*gin.Context, rag.Collection) (any, error)) func(*gin.Context) (any, error) {
	return func(c *gin.Context) (any, error) {
		collection, err := s.store(c)
		if err != nil {
			return nil, err
		}
		return handle(c, collection)
	}
}

// store finds the collection that a path names by its id as a vector store, or by its name.
func (s *Server) store(c *gin.Context) (rag.Collection, error) {
	ctx, text := c.Request.Context(), c.Param("store")
	var found rag.Collection
	var err error
	if id, ok := openai.ParseStoreID(text); ok {
		found, err = s.deps.OpenAI.Stores.CollectionByID(ctx, id)
		if err == nil && found.Tenant != tenant(ctx) {
			err = rag.ErrNotFound
		}
	} else {
		found, err = s.deps.Collections.Collection(ctx, tenant(ctx), text)
	}
	if errors.Is(err, rag.ErrNotFound) {
		return rag.Collection{}, &rag.Problem{Kind: rag.ErrNotFound, Code: "vector_store_not_found", Message: fmt.Sprintf("there is no vector store %q; check the id", clipped(text))}
	}
	return found, err
}

func (s *Server) showStore(ctx context.Context, id rag.CollectionID) (any, error) {
	found, err := s.deps.OpenAI.Stores.VectorStore(ctx, tenant(ctx), id)
	if err != nil {
		return nil, err
	}
	return openai.StoreOf(found), nil
}

func (s *Server) listStores(c *gin.Context) (any, error) {
	ctx := c.Request.Context()
	at, limit, err := cursor(c, maxStorePage, usualStorePage, func(id string) (int64, error) {
		n, ok := openai.ParseStoreID(id)
		if !ok {
			return 0, rag.ErrNotFound
		}
		return int64(n), nil
	})
	if err != nil {
		return nil, err
	}
	found, err := s.deps.OpenAI.Stores.VectorStores(ctx, tenant(ctx), at)
	if err != nil {
		return nil, err
	}
	return pageOf(found, limit, at, openai.StoreOf, func(v openai.VectorStore) string { return v.ID }), nil
}

// postStore makes a collection, labels it and attaches files to it. What is wrong with the request, or its files, is said
// before anything is made.
func (s *Server) postStore(c *gin.Context) (any, error) {
	ctx := c.Request.Context()
	var request openai.NewVectorStore
	if err := readJSON(c, maxJSON, &request); err != nil {
		return nil, err
	}
	if given(request.ExpiresAfter) {
		return nil, noExpiry("vector stores")
	}
	if err := checkLabels(request.Metadata); err != nil {
		return nil, err
	}
	if len(request.FileIDs) > maxStoreFiles {
		return nil, rag.Invalid("/file_ids", "file_ids has %d files, and %d are the most here; attach more as file batches", len(request.FileIDs), maxStoreFiles)
	}
	attachments, err := s.sameForAll(ctx, request.FileIDs)
	if err != nil {
		return nil, err
	}
	if err := checkStrategy(request.ChunkingStrategy, "/chunking_strategy"); err != nil {
		return nil, err
	}
	collection, err := s.makeStore(ctx, request)
	if err != nil {
		return nil, err
	}
	if err := s.fillStore(ctx, collection, request, attachments); err != nil {
		_, undone := s.deps.Collections.DeleteCollection(context.WithoutCancel(ctx), collection.Tenant, collection.Name)
		return nil, errors.Join(err, undone)
	}
	return s.showStore(ctx, collection.ID)
}

// fillStore labels a new collection and attaches files to it.
func (s *Server) fillStore(ctx context.Context, collection rag.Collection, request openai.NewVectorStore, attachments []rag.Attachment) error {
	label := rag.Label{Name: request.Name, Description: request.Description, Metadata: request.Metadata}
	if err := s.deps.OpenAI.Stores.SetLabel(ctx, collection.Tenant, collection.ID, label); err != nil || len(attachments) == 0 {
		return err
	}
	chunking, err := s.strategy(ctx, collection, request.ChunkingStrategy)
	if err != nil {
		return err
	}
	for i := range attachments {
		attachments[i].Chunking = chunking
	}
	_, err = s.deps.OpenAI.StoreFiles.AttachFiles(ctx, collection, attachments)
	return err
}

// makeStore makes a collection that is called as the store where that can be, and else something like it.
func (s *Server) makeStore(ctx context.Context, request openai.NewVectorStore) (rag.Collection, error) {
	base := collectionName(request.Name)
	name := base
	for tries := 0; ; tries++ {
		made, err := s.deps.Collections.Create(ctx, tenant(ctx), api.NewCollection{Name: name, Model: request.Model})
		if err == nil || tries == 3 || !errors.Is(err, rag.ErrConflict) {
			if errors.Is(err, rag.ErrNotFound) {
				err = modelError(err)
			}
			return made, err
		}
		name = base + "-" + strings.ToLower(rand.Text()[:8])
	}
}

// collectionName makes a collection's name of any text.
func collectionName(text string) string {
	name := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && strings.ContainsRune(idCharacters, r) {
			return r
		}
		return '-'
	}, text)
	name = strings.TrimRight(strings.TrimLeft(name, "-._"), "-")
	name = name[:min(len(name), 80)]
	if _, reserved := openai.ParseStoreID(name); name == "" || reserved {
		name = strings.TrimRight("store-"+name, "-")
	}
	return name
}

// checkLabels refuses metadata that OpenAI refuses.
func checkLabels(metadata map[string]string) error {
	pairs := make(map[string]any, len(metadata))
	for key, value := range metadata {
		pairs[key] = value
	}
	return checkPairs(pairs, "/metadata")
}

// checkPairs refuses more, or longer, pairs than OpenAI takes, and values of other types.
func checkPairs(pairs map[string]any, at string) error {
	what := at[strings.LastIndex(at, "/")+1:]
	if len(pairs) > maxPairs {
		return rag.Invalid(at, "%s has %d pairs, and %d are the most", what, len(pairs), maxPairs)
	}
	for key, value := range pairs {
		if n := utf8.RuneCountInString(key); n == 0 || n > maxPairKey {
			return rag.Invalid(at, "the key %q of %s must have 1 to %d characters", clipped(key), what, maxPairKey)
		}
		switch v := value.(type) {
		case string:
			if utf8.RuneCountInString(v) > maxPairValue {
				return rag.Invalid(at+"/"+key, "the value of %q has more than %d characters", key, maxPairValue)
			}
		case float64, bool:
		default:
			return rag.Invalid(at+"/"+key, "the value of %q must be a string, a number or a boolean", key)
		}
	}
	return nil
}

func (s *Server) patchStore(c *gin.Context, collection rag.Collection) (any, error) {
	ctx := c.Request.Context()
	var request openai.VectorStorePatch
	if err := readJSON(c, maxJSON, &request); err != nil {
		return nil, err
	}
	if given(request.ExpiresAfter) {
		return nil, noExpiry("vector stores")
	}
	found, err := s.deps.OpenAI.Stores.VectorStore(ctx, tenant(ctx), collection.ID)
	if err != nil {
		return nil, err
	}
	label := found.Label
	if request.Name != nil {
		label.Name = *request.Name
	}
	if request.Metadata != nil {
		if err := checkLabels(*request.Metadata); err != nil {
			return nil, err
		}
		label.Metadata = maps.Clone(*request.Metadata)
	}
	if err := s.deps.OpenAI.Stores.SetLabel(ctx, collection.Tenant, collection.ID, label); err != nil {
		return nil, err
	}
	return s.showStore(ctx, collection.ID)
}

func (s *Server) deleteStore(c *gin.Context, collection rag.Collection) (any, error) {
	if _, err := s.deps.Collections.DeleteCollection(c.Request.Context(), collection.Tenant, collection.Name); err != nil {
		return nil, err
	}
	return openai.Deleted{ID: openai.StoreID(collection.ID), Object: "vector_store.deleted", Deleted: true}, nil
}
