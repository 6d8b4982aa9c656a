package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// pace are the times of event streams.
type pace struct {
	poll    time.Duration // how often a stream looks at its job, which any process may be working on
	beat    time.Duration // how long a stream is silent at most, so that proxies keep it open
	write   time.Duration // how long a client may take to accept an event
	longest time.Duration // how long a stream lasts; whoever connects again shows the key again
}

func defaultPace() pace {
	return pace{poll: 500 * time.Millisecond, beat: 15 * time.Second, write: 10 * time.Second, longest: time.Hour}
}

// maxStreams bounds the streams open at once.
const maxStreams = 200

// eventRoutes adds the stream of a job's progress and describes it.
func (s *Server) eventRoutes(service huma.API, group *gin.RouterGroup) {
	group.GET(apiBase+"/jobs/:job/events", s.jobEvents)
	schemas := service.OpenAPI().Components.Schemas
	progress := schemas.Schema(reflect.TypeFor[api.JobProgress](), true, "")
	problem := schemas.Schema(reflect.TypeFor[api.Problem](), true, "")
	service.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "job-events", Method: http.MethodGet, Path: apiBase + "/jobs/{job}/events", Summary: "Follow a job", Tags: []string{"jobs"},
		Description: "Server-sent events: 'progress' whenever the job has changed, and 'end' with its last state, after which the stream ends. Each carries the whole state, so a client that connects again misses nothing. A comment comes where nothing else does for 15 s.",
		Parameters: []*huma.Param{
			{Name: "job", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeInteger, Format: "int64"}},
			{Name: "Last-Event-ID", In: "header", Description: "The id of 'end', where a client has had that: it is told by 204 not to connect again.", Schema: &huma.Schema{Type: huma.TypeString}},
		},
		Responses: map[string]*huma.Response{
			"200":     {Description: "The events; the schema is that of their data.", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: progress}}},
			"204":     {Description: "The client has had the job's end."},
			"default": {Description: "Refused.", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}},
		},
	})
}

// jobEvents follows one job until it is over, the client is gone, or the server stops.
func (s *Server) jobEvents(c *gin.Context) {
	ctx := c.Request.Context()
	id, err := strconv.ParseInt(c.Param("job"), 10, 64)
	if err != nil {
		s.fail(c, rag.Invalid("", "a job's id is a number, not %q", c.Param("job")))
		return
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		s.fail(c, &rag.Problem{Kind: rag.ErrOverloaded, Code: "too_many_streams", RetryAfter: 5 * time.Second, Message: "too many jobs are being followed; ask for the job itself, or try again later"})
		return
	}
	job, err := s.deps.Jobs.Job(ctx, tenant(ctx), rag.JobID(id))
	if err != nil {
		s.fail(c, err)
		return
	}
	if job.State.Final() && c.GetHeader("Last-Event-ID") == endID(job) {
		c.Status(http.StatusNoContent)
		return
	}
	stream := &stream{c: c, control: http.NewResponseController(c.Writer), pace: s.pace, since: time.Now(), first: job}
	stream.open()
	s.follow(ctx, stream, job)
}

// follow sends what a job goes through.
func (s *Server) follow(ctx context.Context, stream *stream, job rag.Job) {
	ctx, cancel := context.WithTimeout(ctx, s.pace.longest)
	defer cancel()
	ticker := time.NewTicker(s.pace.poll)
	defer ticker.Stop()
	for stream.send(job) == nil && !job.State.Final() {
		select {
		case <-ctx.Done():
			return
		case <-s.stopping:
			return
		case <-ticker.C:
		}
		var err error
		if job, err = s.watch.job(ctx, tenant(ctx), job.ID, s.pace.poll); err != nil {
			return // the client asks again, and is told why
		}
	}
}

// endID names the end of a job; after a retry there is another.
func endID(job rag.Job) string { return fmt.Sprintf("%s-%d-%d", job.State, job.ID, job.Attempts) }

// stream is one client that follows a job.
type stream struct {
	c       *gin.Context
	control *http.ResponseController
	pace    pace
	since   time.Time // when chunks were counted from
	first   rag.Job   // as it was then
	last    []byte    // the job as it was sent last
	sent    time.Time
}

func (s *stream) open() {
	h := s.c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	s.c.Status(http.StatusOK)
}

// send writes the job where it has changed, else now and then a comment.
func (s *stream) send(job rag.Job) error {
	if job.Stage != s.first.Stage || job.Done < s.first.Done {
		s.since, s.first = time.Now(), job
	}
	state, err := json.Marshal(jobOf(job))
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	data, err := json.Marshal(s.progress(job))
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	text := fmt.Sprintf("event: progress\ndata: %s\n\n", data)
	if job.State.Final() {
		text = fmt.Sprintf("event: end\nid: %s\ndata: %s\n\n", endID(job), data)
	}
	if string(state) == string(s.last) {
		if time.Since(s.sent) < s.pace.beat {
			return nil
		}
		text = ": still there\n\n"
	}
	s.last, s.sent = state, time.Now()
	if err := s.control.SetWriteDeadline(s.sent.Add(s.pace.write)); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if _, err := s.c.Writer.WriteString(text); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return s.control.Flush()
}

// progress estimates from the chunks done since the stream saw the job's stage begin.
func (s *stream) progress(job rag.Job) api.JobProgress {
	p := api.JobProgress{Job: jobOf(job)}
	chunks, took := job.Done-s.first.Done, time.Since(s.since)
	if job.State != rag.JobRunning || chunks <= 0 || took < s.pace.poll {
		return p
	}
	p.ChunksASecond = float64(chunks) / took.Seconds()
	p.SecondsLeft = float64(job.Total-job.Done) / p.ChunksASecond
	return p
}
