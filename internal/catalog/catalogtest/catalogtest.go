// Package catalogtest holds the tests that every database behind the catalog must pass.
package catalogtest

import (
	"context"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// Opener opens the same database again and again, as further processes would.
type Opener func(ctx context.Context, cfg catalog.Config) (*catalog.Catalog, error)

// Run runs the suite. fresh makes an empty database of the test's own.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b bundle)
	}{
		{"ingest from upload to search", testIngest},
		{"collections", testCollections},
		{"tenants are apart", testTenants},
		{"ids given to documents", testGivenIDs},
		{"upload of a known id", testDuplicates},
		{"upload of known bytes", testDuplicateContent},
		{"uploads of the same bytes at the same time", testDuplicateContentAtOnce},
		{"batch is all or nothing", testBatch},
		{"pages and counts", testPages},
		{"replace is atomic", testReplace},
		{"live chunks while replacing", testLiveChunks},
		{"replace while ingesting", testReplaceWhileIngesting},
		{"delete a document", testDelete},
		{"delete while ingesting", testDeleteWhileIngesting},
		{"delete a collection", testDeleteCollection},
		{"stale claims write nothing", testFence},
		{"resume where the last attempt stopped", testResume},
		{"cleaning resumes after publishing", testResumeCleaning},
		{"outcomes", testOutcomes},
		{"a service that is down", testUnavailable},
		{"panic", testPanic},
		{"a job that gives way", testYield},
		{"stop returns jobs", testStop},
		{"abandoned job resumes", testAbandoned},
		{"job that kills its worker", testCrashes},
		{"cancel and retry", testCancel},
		{"retry", testRetry},
		{"attempts", testAttempts},
		{"attempts that are kept", testManyAttempts},
		{"chunking of a collection", testChunking},
		{"chunking of uploads", testChunkingOfUploads},
		{"parents of chunks", testParents},
		{"changes of a collection", testChangeCollection},
		{"chunks around hits", testChunksAt},
		{"patch", testPatch},
		{"patch keeps the original", testPatchKeepsOriginal},
		{"patch keeps the chunks", testPatchKeepsChunks},
		{"job filters", testJobFilters},
		{"places of chunks", testPlaces},
		{"a rebuild runs alone", testRebuildAlone},
		{"a rebuild that fails", testRebuildFails},
		{"nightly", testNightly},
		{"delete by a condition", testDeleteMatching},
		{"two processes", testTwoProcesses},
		{"states of document and job go together", testStatesGoTogether},
		{"changes of state that are not allowed", testIllegalMoves},
		{"retry after publishing", testRetryAfterPublishing},
		{"retry after crashes", testRetryAfterCrashes},
		{"cancel and retry from another process", testCancelElsewhere},
		{"cancel a job that waits", testCancelWaiting},
		{"a document that is being deleted", testDeleting},
		{"which jobs can be canceled", testCancelable},
		{"retry in a deleted collection", testRetryInDeletedCollection},
		{"what a failed ingest left", testCleanUp},
		{"what a canceled ingest left, and a retry", testCleanUpBeforeRetry},
		{"wait", testWait},
		{"a batch from upload to end", testBatchUpload},
		{"a batch whose upload breaks off", testBatchBroken},
		{"a batch that is sent again", testBatchAgain},
		{"cancel a batch", testCancelBatch},
		{"cancel a large batch", testCancelLargeBatch},
		{"pages of batches", testBatchPages},
		{"callback of a batch", testCallback},
		{"callback that is given up", testCallbackGivenUp},
		{"chunks in pieces", testWindows},
		{"texts of versions", testStoredTexts},
		{"text that a failed ingest left", testTextLeft},
		{"document that kills its worker in the parser", testParseCrashes},
		{"crashes before parsing", testCrashesBeforeParsing},
		{"pages of chunks", testChunkPages},
		{"files", testFiles},
		{"a file in several collections", testSharedFile},
		{"files attached as a batch", testFileBatch},
		{"vector stores", testVectorStores},
		{"terms are counted", testTerms},
		{"many terms", testTermsOfMany},
		{"keys", testKeys},
		{"fingerprint", testFingerprint},
		{"filters", testFilters},
		{"texts that a database may refuse", testTexts},
		{"failures with such texts", testFailureText},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, newBundle(t, fresh(t)))
		})
	}
}

// bundle is one test's database, open and migrated, with a collection in it.
type bundle struct {
	*catalog.Catalog
	ctx        context.Context
	open       func() *catalog.Catalog // opens the database once more
	openWith   func(catalog.QueueConfig) *catalog.Catalog
	openAt     func(now func() time.Time) *catalog.Catalog
	collection rag.Collection
}

// quick are queue times for tests.
func quick() catalog.QueueConfig {
	return catalog.QueueConfig{
		Lease: 1500 * time.Millisecond, Renew: 300 * time.Millisecond, Watch: 50 * time.Millisecond, Reap: 100 * time.Millisecond,
		Poll: 10 * time.Millisecond, Overdue: 500 * time.Millisecond, SoftStop: 20 * time.Millisecond, HardStop: 5 * time.Second,
		RetryFirst: 10 * time.Millisecond, RetryMost: 40 * time.Millisecond, WaitMost: 40 * time.Millisecond,
		MaxFailures: 3, MaxCrashes: 3,
		Sweep: 20 * time.Millisecond, CallbackFirst: 10 * time.Millisecond, CallbackMost: 40 * time.Millisecond, CallbackFailures: 4,
	}
}

func newBundle(t *testing.T, open Opener) bundle {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	b := bundle{ctx: ctx}
	b.open = func() *catalog.Catalog { return b.openWith(quick()) }
	openAs := func(cfg catalog.Config) *catalog.Catalog {
		t.Helper()
		c, err := open(ctx, cfg)
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		return c
	}
	b.openWith = func(queue catalog.QueueConfig) *catalog.Catalog { return openAs(catalog.Config{Queue: queue}) }
	b.openAt = func(now func() time.Time) *catalog.Catalog { return openAs(catalog.Config{Queue: quick(), Now: now}) }
	b.Catalog = b.open()
	if err := b.Migrate(ctx); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	b.collection = b.create(t, rag.DefaultTenant, "docs")
	return b
}

func (b bundle) create(t *testing.T, tenant, name string) rag.Collection {
	t.Helper()
	c, err := b.CreateCollection(b.ctx, rag.Collection{
		Tenant: tenant, Name: name, BiEncoder: "bge", Dimension: 384,
		Fields:   []rag.Field{{Name: "year", Type: rag.FieldInt}},
		Chunking: rag.Chunking{MaxTokens: 256, Overlap: 32},
	})
	if err != nil {
		t.Fatalf("create collection: %v", err)
	}
	return c
}

// upload is a staged upload with the given id and content.
func upload(id, content string) ingest.Staged {
	return ingest.Staged{
		Upload: ingest.Upload{
			ExternalID: id, Title: "About " + id, Filename: id + ".txt", MediaType: "text/plain",
			Metadata: rag.Metadata{"year": int64(2026), "tags": []string{"a", "b"}},
		},
		Blob: "blob/" + id + "/" + content, Size: int64(len(content)), SHA256: "sha of " + content,
	}
}

func (b bundle) put(t *testing.T, s ingest.Staged) ingest.Accepted {
	t.Helper()
	a, err := b.PutDocument(b.ctx, b.collection.ID, s)
	if err != nil {
		t.Fatalf("put %s: %v", s.Upload.ExternalID, err)
	}
	return a
}

// work runs the queue until the test ends or stop is called.
func (b bundle) work(t *testing.T, c *catalog.Catalog, handler catalog.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, handler, 4) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func (b bundle) wait(t *testing.T, id rag.JobID, want rag.JobState) rag.Job {
	t.Helper()
	j, err := b.WaitJob(b.ctx, b.collection.Tenant, id)
	if err != nil {
		t.Fatalf("wait for job %d: %v; it is %s at %s (error %+v)", id, err, j.State, j.Stage, j.Error)
	}
	if j.State != want {
		t.Fatalf("job %d is %s (error %+v), want %s", id, j.State, j.Error, want)
	}
	return j
}
