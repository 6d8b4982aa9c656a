package httpapi

import (
	"context"
	"fmt"
	"net/http"

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
	}, func(ctx context.Context, in *struct {
		State  string    `query:"state" enum:"queued,running,retrying,succeeded,failed,canceled" doc:"Only jobs in this state."`
		Before rag.JobID `query:"before" doc:"The 'next' of the page before."`
		Limit  int       `query:"limit" default:"50" minimum:"1" maximum:"1000"`
	}) (*struct{ Body api.Jobs }, error) {
		found, err := s.deps.Jobs.JobPage(ctx, tenant(ctx), rag.JobState(in.State), in.Before, in.Limit)
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
		return &struct{ Body api.Job }{jobOf(job)}, nil
	})
}

func jobOf(j rag.Job) api.Job {
	return api.Job{
		ID: j.ID, Kind: j.Kind, State: j.State, Stage: j.Stage, Done: j.Done, Total: j.Total, Reused: j.Reused, Attempts: j.Attempts, Error: j.Error,
		CreatedAt: j.CreatedAt, StartedAt: j.StartedAt, FinishedAt: j.FinishedAt, NextRunAt: j.NextRunAt,
	}
}
