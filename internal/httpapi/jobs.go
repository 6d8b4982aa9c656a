package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

type jobBody struct {
	Status   int
	Location string `header:"Location"`
	Body     api.Job
}

// accepted answers 202 with the job that does the rest.
func accepted(job rag.Job) *jobBody {
	return &jobBody{Status: http.StatusAccepted, Location: location(job.ID), Body: jobOf(job)}
}

func location(id rag.JobID) string { return fmt.Sprintf("%s/jobs/%d", apiBase, id) }

func (s *Server) jobRoutes(service huma.API) {
	register(s, service, huma.Operation{
		OperationID: "list-jobs", Method: http.MethodGet, Path: "/jobs", Summary: "List jobs, newest first", Tags: []string{"jobs"},
		RejectUnknownQueryParameters: true, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *struct {
		JobSelection
		Before rag.JobID `query:"before" doc:"The 'next' of the page before."`
		Limit  int       `query:"limit" default:"50" minimum:"1" maximum:"1000"`
	}) (*struct{ Body api.Jobs }, error) {
		q, err := s.jobQuery(ctx, in.JobSelection)
		if err != nil {
			return nil, err
		}
		q.Before, q.Limit = in.Before, in.Limit
		found, err := s.deps.Jobs.JobPage(ctx, tenant(ctx), q)
		if err != nil {
			return nil, err
		}
		out := struct{ Body api.Jobs }{api.Jobs{Jobs: []api.Job{}}}
		for _, job := range found {
			out.Body.Jobs = append(out.Body.Jobs, jobOf(job))
		}
		if len(found) == in.Limit {
			out.Body.Next = found[len(found)-1].ID
		}
		return &out, nil
	})

	register(s, service, huma.Operation{
		OperationID: "get-job", Method: http.MethodGet, Path: "/jobs/{job}", Summary: "Show a job", Tags: []string{"jobs"}, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *struct {
		Job rag.JobID `path:"job"`
		Waiting
	}) (*struct{ Body api.Job }, error) {
		job, err := s.deps.Jobs.Job(ctx, tenant(ctx), in.Job)
		if err != nil {
			return nil, err
		}
		wait, err := in.duration()
		if err != nil {
			return nil, err
		}
		if wait > 0 && !job.State.Final() {
			jobs, err := s.awaitJobs(ctx, []rag.JobID{job.ID}, wait)
			if err != nil {
				return nil, err
			}
			job = jobs[job.ID]
		}
		attempts, outcomes, err := s.deps.JobControl.Attempts(ctx, tenant(ctx), job.ID)
		if err != nil {
			return nil, err
		}
		out := struct{ Body api.Job }{jobOf(job)}
		for _, a := range attempts {
			out.Body.BadAttempts = append(out.Body.BadAttempts, api.Attempt(a))
		}
		out.Body.BadOutcomes = outcomes
		return &out, nil
	})

	control := func(verb, summary, description string, do func(context.Context, string, rag.JobID) (rag.Job, error)) {
		register(s, service, huma.Operation{
			OperationID: verb + "-job", Method: http.MethodPost, Path: "/jobs/{job}/" + verb, Summary: summary, Description: description,
			Tags: []string{"jobs"}, DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound, http.StatusConflict},
		}, func(ctx context.Context, in *struct {
			Job rag.JobID `path:"job"`
		}) (*jobBody, error) {
			job, err := do(ctx, tenant(ctx), in.Job)
			return accepted(job), err
		})
	}
	control("cancel", "Cancel a job", "Ends a job that is not over; its work stops within 2 s. An ingest job's document is 'canceled', and what was live before stays live. A job that is canceled already is answered as it is. A rebuild, and a job that removes what is deleted, can't be canceled.", func(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error) {
		return s.deps.JobControl.CancelJob(ctx, tenant, id)
	})
	control("retry", "Run a failed or canceled job again", "Under the same id, from where it stopped. A job whose document has been replaced or deleted since can't be retried.", func(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error) {
		return s.deps.JobControl.RetryJob(ctx, tenant, id)
	})
}

// JobSelection says which jobs to list.
type JobSelection struct {
	State      string      `query:"state" enum:"queued,running,retrying,succeeded,failed,canceled" doc:"Only jobs in this state."`
	Kind       string      `query:"kind" enum:"ingest,clean_up,delete_document,delete_documents,delete_collection,reconcile,rebuild,callback" doc:"Only jobs of this kind."`
	Collection string      `query:"collection" doc:"Only jobs on this collection."`
	Document   string      `query:"document" doc:"Only jobs on this document, by your id, also when it is deleted; its collection has to be named too."`
	Batch      rag.BatchID `query:"batch" doc:"Only jobs of this batch."`
	From       time.Time   `query:"created_from" doc:"Only jobs made at this time or later (RFC 3339)."`
	To         time.Time   `query:"created_before" doc:"Only jobs made before this time."`
}

// jobQuery finds what a selection names.
func (s *Server) jobQuery(ctx context.Context, in JobSelection) (JobQuery, error) {
	q := JobQuery{State: rag.JobState(in.State), Kind: rag.JobKind(in.Kind), Batch: in.Batch, From: in.From, To: in.To}
	if in.Collection == "" {
		if in.Document != "" {
			return q, rag.Invalid("?document", "name the document's collection too: ?collection=...")
		}
		return q, nil
	}
	c, err := s.deps.Collections.Collection(ctx, tenant(ctx), in.Collection)
	if err != nil {
		return q, err
	}
	q.Collection, q.Document = c.ID, in.Document
	return q, nil
}

// resultOf reads the result of a job of one of the kinds; nil where there is none, or one of a later redkite.
func resultOf[T any](j rag.Job, kinds ...rag.JobKind) *T {
	out := new(T)
	if !slices.Contains(kinds, j.Kind) || json.Unmarshal([]byte(j.Result), out) != nil {
		return nil
	}
	return out
}

func jobOf(j rag.Job) api.Job {
	return api.Job{
		Found:    resultOf[rag.Reconciliation](j, rag.JobReconcile, rag.JobRebuild),
		Deletion: resultOf[rag.Deletion](j, rag.JobDeleteDocuments),
		ID:       j.ID, Kind: j.Kind, Collection: j.Name, DocumentID: j.ExternalID, Version: j.Version, Worker: j.Worker, State: j.State, Stage: j.Stage, Done: j.Done, Total: j.Total, Reused: j.Reused, Attempts: j.Attempts, Error: j.Error,
		CreatedAt: j.CreatedAt, StartedAt: j.StartedAt, FinishedAt: j.FinishedAt, NextRunAt: j.NextRunAt,
	}
}
