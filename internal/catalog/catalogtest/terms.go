package catalogtest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/catalog"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// termsOf are the terms of a chunk in these tests: one that all have, some that many have, one of its own.
func termsOf(text string) []uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	sum := h.Sum32()
	return []uint32{1, 2 + sum%5, 100 + sum%97, sum | 1<<31}
}

// languageOf is the language of a document in these tests.
func languageOf(text string) string {
	name, _, _ := strings.Cut(text, " ")
	return []string{"en", "de", "zh"}[len(name)%3]
}

// versionTerms counts the terms of a version by its rows.
func versionTerms(ctx context.Context, c *catalog.Catalog, claim rag.Claim, v ingest.VersionID) (ingest.VersionTerms, error) {
	terms := ingest.VersionTerms{Counts: map[uint32]int{}}
	for from := 0; ; from += 2 {
		page, err := c.VersionChunks(ctx, claim, v, from, 2)
		if err != nil || len(page) == 0 {
			return terms, err
		}
		for _, ch := range page {
			terms.Language = languageOf(ch.Text)
			terms.Chunks++
			for _, term := range termsOf(ch.Text) {
				terms.Counts[term]++
			}
		}
	}
}

// counter does jobs as ingester does and keeps the terms of what it makes; it counts those that are missing where it is
// asked to reconcile. breaks may end an ingest before its version is published.
func counter(c *catalog.Catalog, x *index, chunks int, skip func() bool, breaks func() error) catalog.Handler {
	plain := ingester(c, x, chunks)
	return func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		switch job.Kind {
		case rag.JobReconcile:
			missing, err := c.Uncounted(ctx, claim, 0, 1000)
			if err != nil {
				return err
			}
			for _, v := range missing {
				terms, err := versionTerms(ctx, c, claim, v)
				if err != nil {
					return err
				}
				for range 2 { // the second time it is counted already
					if err := c.CountTerms(ctx, claim, v, terms); err != nil {
						return err
					}
				}
			}
			return nil
		case rag.JobIngest:
			task, err := c.Task(ctx, claim)
			if err != nil {
				return err
			}
			if !task.Live && !skip() {
				if !task.Chunked {
					if err := c.SetStage(ctx, claim, rag.StageParse); err != nil {
						return err
					}
					if err := WriteChunks(ctx, c, claim, cut(task.Blob, chunks)); err != nil {
						return err
					}
				}
				terms, err := versionTerms(ctx, c, claim, ingest.VersionID{Document: job.Document, Version: job.Version})
				if err != nil {
					return err
				}
				if err := c.SetTerms(ctx, claim, terms); err != nil {
					return err
				}
			}
			if err := breaks(); err != nil {
				return err
			}
		}
		return plain(ctx, claim, job)
	}
}

// checkTerms compares what the collection counts with what its live chunks say.
func (b bundle) checkTerms(t *testing.T, x *index, when string) {
	t.Helper()
	hits, err := b.LiveHits(b.ctx, b.collection.ID, x.ids())
	if err != nil {
		t.Fatal(err)
	}
	want, languages := map[uint32]int{}, map[string]int{}
	asked := []uint32{7777}
	for _, h := range hits {
		languages[languageOf(h.Chunk.Text)]++
		if h.Language != languageOf(h.Chunk.Text) {
			t.Errorf("%s: chunk %d is of a document in %q", when, h.Chunk.ID, h.Language)
		}
		for _, term := range termsOf(h.Chunk.Text) {
			want[term]++
			asked = append(asked, term)
		}
	}
	for term := range uint32(200) { // those that nothing has any more
		asked = append(asked, term)
	}
	got, err := b.Frequencies(b.ctx, b.collection.ID, asked)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: frequencies (-recount +kept):\n%s", when, diff)
	}
	counted, err := b.Languages(b.ctx, b.collection.ID)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]int{}
	for i, l := range counted {
		kept[l.Language] = l.Chunks
		if i > 0 && l.Chunks > counted[i-1].Chunks {
			t.Errorf("%s: languages are out of order: %v", when, counted)
		}
	}
	if diff := cmp.Diff(languages, kept); diff != "" {
		t.Errorf("%s: chunks by language (-recount +kept):\n%s", when, diff)
	}
}

// testTerms puts, replaces, patches, breaks, cancels, retries and deletes at random, several at a time and from two
// processes, and compares the counts with a recount whenever all is at rest.
func testTerms(t *testing.T, b bundle) {
	x := newIndex()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var old, broken atomic.Int64 // handlers run at the same time
	skip := func() bool { return old.Add(1)%5 == 0 }
	breaks := func() error {
		switch broken.Add(1) % 7 {
		case 0:
			return errors.New("it broke, and is tried again")
		case 3:
			return rag.Invalid("", "it is broken for good")
		}
		return nil
	}
	second := b.open()
	b.work(t, b.Catalog, counter(b.Catalog, x, 3, skip, breaks))
	b.work(t, second, counter(second, x, 3, skip, breaks))
	for round := range 6 {
		var jobs []rag.JobID
		for step := range 12 {
			id := fmt.Sprintf("doc-%d", random.IntN(8))
			switch random.IntN(6) {
			case 0:
				if j, err := b.DeleteDocument(b.ctx, b.collection.ID, id); err == nil {
					jobs = append(jobs, j.ID)
				} else if !errors.Is(err, rag.ErrNotFound) {
					t.Fatal(err)
				}
			case 1:
				a, err := b.PatchDocument(b.ctx, b.collection.ID, id, func(rag.Metadata) (rag.Metadata, error) {
					return rag.Metadata{"round": int64(round*100 + step)}, nil
				})
				if err == nil {
					jobs = append(jobs, a.Job.ID)
				} else if !errors.Is(err, rag.ErrNotFound) {
					t.Fatal(err)
				}
			default:
				a := b.put(t, upload(id, fmt.Sprintf("v%d", random.IntN(4))))
				if a.Unchanged {
					continue
				}
				jobs = append(jobs, a.Job.ID)
				if random.IntN(4) == 0 {
					_, _ = b.CancelJob(b.ctx, rag.DefaultTenant, a.Job.ID) // it may be over
				}
			}
		}
		for _, id := range jobs {
			if _, err := b.WaitJob(b.ctx, rag.DefaultTenant, id); err != nil {
				t.Fatal(err)
			}
			if random.IntN(3) == 0 {
				if j, err := b.RetryJob(b.ctx, rag.DefaultTenant, id); err == nil {
					if _, err := b.WaitJob(b.ctx, rag.DefaultTenant, j.ID); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		job, err := b.AddCollectionJob(b.ctx, rag.DefaultTenant, "docs", rag.JobReconcile, "")
		if err != nil {
			t.Fatal(err)
		}
		b.wait(t, job.ID, rag.JobSucceeded)
		b.checkTerms(t, x, fmt.Sprintf("round %d", round))
	}
	for i := range 8 {
		if j, err := b.DeleteDocument(b.ctx, b.collection.ID, fmt.Sprintf("doc-%d", i)); err == nil {
			b.wait(t, j.ID, rag.JobSucceeded)
		}
	}
	b.checkTerms(t, newIndex(), "after all were deleted")
}

// testTermsOfMany counts more terms than one statement takes, and forgets them with their collection.
func testTermsOfMany(t *testing.T, b bundle) {
	many := ingest.VersionTerms{Language: "en", Chunks: 2, Counts: map[uint32]int{}}
	asked := []uint32{}
	for i := range uint32(5000) {
		many.Counts[i*859_000+i], asked = 1+int(i%2), append(asked, i*859_000+i)
	}
	x := newIndex()
	b.work(t, b.Catalog, func(ctx context.Context, claim rag.Claim, job rag.Job) error {
		if job.Kind == rag.JobIngest {
			if err := b.SetTerms(ctx, claim, many); err != nil {
				return err
			}
		}
		return ingester(b.Catalog, x, 2)(ctx, claim, job)
	})
	put := b.put(t, upload("one", "v1"))
	if put.Document.Language != "" {
		t.Errorf("a document that nobody has read is in %q", put.Document.Language)
	}
	b.wait(t, put.Job.ID, rag.JobSucceeded)
	if d := b.status(t, "one"); d.Language != "en" {
		t.Errorf("the document is in %q", d.Language)
	}
	got, err := b.Frequencies(b.ctx, b.collection.ID, asked)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(many.Counts, got); diff != "" {
		t.Error(diff)
	}
	j, err := b.DeleteCollection(b.ctx, rag.DefaultTenant, "docs")
	if err != nil {
		t.Fatal(err)
	}
	b.wait(t, j.ID, rag.JobSucceeded)
	if got, err = b.Frequencies(b.ctx, b.collection.ID, asked); err != nil || len(got) != 0 {
		t.Errorf("%d terms of a deleted collection are kept, %v", len(got), err)
	}
}
