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

// eventRoutes adds the streams of a job's and a batch's progress and describes them.
func (s *Server) eventRoutes(service huma.API, group *gin.RouterGroup) {
	group.GET(apiBase+"/jobs/:job/events", s.jobEvents)
	describeEvents[api.JobProgress](service, "job")
	group.GET(apiBase+"/batches/:batch/events", s.batchEvents)
	describeEvents[api.Batch](service, "batch")
}

// describeEvents describes the stream of what has events of type T.
func describeEvents[T any](service huma.API, what string) {
	collection := map[string]string{"job": "jobs", "batch": "batches"}[what]
	schemas := service.OpenAPI().Components.Schemas
	event := &huma.Schema{
		Type: huma.TypeObject, Required: []string{"event", "data"}, Properties: map[string]*huma.Schema{
			"event": {Type: huma.TypeString, Enum: []any{"progress", "end"}},
			"id":    {Type: huma.TypeString, Description: "Of 'end'."},
			"data": {Type: huma.TypeString, Description: "The " + what + ", as JSON.", Extensions: map[string]any{
				"contentMediaType": "application/json", "contentSchema": schemas.Schema(reflect.TypeFor[T](), true, ""),
			}},
		},
	}
	problem := schemas.Schema(reflect.TypeFor[api.Problem](), true, "")
	service.OpenAPI().AddOperation(&huma.Operation{
		OperationID: what + "-events", Method: http.MethodGet, Path: apiBase + "/" + collection + "/{" + what + "}/events", Summary: "Follow a " + what, Tags: []string{collection},
		Description: "Server-sent events: 'progress' whenever the " + what + " has changed, and 'end' with its last state, after which the stream ends. Each carries the whole state, so a client that connects again misses nothing. A comment comes where nothing else does for 15 s.",
		Parameters: []*huma.Param{
			{Name: what, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeInteger, Format: "int64"}},
			{Name: "Last-Event-ID", In: "header", Description: "The id of 'end', where a client has had that: it is told by 204 not to connect again.", Schema: &huma.Schema{Type: huma.TypeString}},
		},
		Responses: map[string]*huma.Response{
			"200":     {Description: "The events; the schema is that of one.", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: event}}},
			"204":     {Description: "The client has had the " + what + "'s end."},
			"default": {Description: "Refused.", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}},
		},
	})
}

// jobEvents follows one job.
func (s *Server) jobEvents(c *gin.Context) {
	id, err := strconv.ParseInt(c.Param("job"), 10, 64)
	if err != nil {
		s.fail(c, rag.Invalid("", "a job's id is a number, not %q", c.Param("job")))
		return
	}
	pace := jobPace{least: s.pace.poll}
	read := s.deps.Jobs.Job // the first look is at the job itself: one that was kept could be its end before a retry
	s.follow(c, func(ctx context.Context) (snapshot, error) {
		job, err := read(ctx, tenant(ctx), rag.JobID(id))
		if err != nil {
			return snapshot{}, err
		}
		read = s.watched
		now := snapshot{state: jobOf(job), event: pace.progress(job)}
		if job.State.Final() {
			now.end = fmt.Sprintf("%s-%d-%d", job.State, job.ID, job.Attempts) // after a retry there is another
		}
		return now, nil
	})
}

// watched gives a job as all streams that follow it read it together.
func (s *Server) watched(ctx context.Context, tenant string, id rag.JobID) (rag.Job, error) {
	return s.watch.job(ctx, tenant, id, s.pace.poll)
}

// batchEvents follows one batch.
func (s *Server) batchEvents(c *gin.Context) {
	id, err := strconv.ParseInt(c.Param("batch"), 10, 64)
	if err != nil {
		s.fail(c, rag.Invalid("", "a batch's id is a number, not %q", c.Param("batch")))
		return
	}
	s.follow(c, func(ctx context.Context) (snapshot, error) {
		batch, err := s.deps.Batches.Batch(ctx, tenant(ctx), rag.BatchID(id))
		if err != nil {
			return snapshot{}, err
		}
		now := snapshot{event: api.BatchOf(batch)}
		if batch.State.Final() {
			now.end = fmt.Sprintf("%s-%d-%d", batch.State, batch.ID, batch.EndedAt.UnixMicro())
		}
		batch.Rate = 0 // it changes with time alone
		now.state = api.BatchOf(batch)
		return now, nil
	})
}

// snapshot is what a stream follows, as it stands.
type snapshot struct {
	state any    // there is news where its JSON has changed
	event any    // is sent then
	end   string // names the end of it; empty before
}

// follow sends what look sees until it is over, the client is gone, or the server stops.
func (s *Server) follow(c *gin.Context, look func(context.Context) (snapshot, error)) {
	ctx := c.Request.Context()
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		s.fail(c, &rag.Problem{Kind: rag.ErrOverloaded, Code: "too_many_streams", RetryAfter: 5 * time.Second, Message: "too much is being followed; ask for the job or batch itself, or try again later"})
		return
	}
	now, err := look(ctx)
	if err != nil {
		s.fail(c, err)
		return
	}
	if now.end != "" && c.GetHeader("Last-Event-ID") == now.end {
		c.Status(http.StatusNoContent)
		return
	}
	stream := &stream{c: c, control: http.NewResponseController(c.Writer), pace: s.pace}
	stream.open()
	ctx, cancel := context.WithTimeout(ctx, s.pace.longest)
	defer cancel()
	ticker := time.NewTicker(s.pace.poll)
	defer ticker.Stop()
	for stream.send(now) == nil && now.end == "" {
		select {
		case <-ctx.Done():
			return
		case <-s.stopping:
			return
		case <-ticker.C:
		}
		if now, err = look(ctx); err != nil {
			return // the client asks again, and is told why
		}
	}
}

// stream is one client that follows.
type stream struct {
	c       *gin.Context
	control *http.ResponseController
	pace    pace
	last    []byte // the state as it was sent last
	sent    time.Time
}

func (s *stream) open() {
	h := s.c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	s.c.Status(http.StatusOK)
}

// send writes a snapshot where it has news, else now and then a comment.
func (s *stream) send(now snapshot) error {
	state, err := json.Marshal(now.state)
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	data, err := json.Marshal(now.event)
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	text := fmt.Sprintf("event: progress\ndata: %s\n\n", data)
	if now.end != "" {
		text = fmt.Sprintf("event: end\nid: %s\ndata: %s\n\n", now.end, data)
	}
	if string(state) == string(s.last) {
		if time.Since(s.sent) < s.pace.beat {
			return nil
		}
		text = ": still there\n\n"
	}
	s.last = state
	return s.write(text)
}

// write sends text at once.
func (s *stream) write(text string) error {
	s.sent = time.Now()
	if err := s.control.SetWriteDeadline(s.sent.Add(s.pace.write)); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if _, err := s.c.Writer.WriteString(text); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return s.control.Flush()
}

// jobPace measures how fast a job goes, since a stream saw its stage begin.
type jobPace struct {
	least time.Duration // to measure
	since time.Time
	first rag.Job
}

func (p *jobPace) progress(job rag.Job) api.JobProgress {
	if p.since.IsZero() || job.Stage != p.first.Stage || job.Done < p.first.Done {
		p.since, p.first = time.Now(), job
	}
	out := api.JobProgress{Job: jobOf(job)}
	done, took := job.Done-p.first.Done, time.Since(p.since)
	if job.State != rag.JobRunning || done <= 0 || took < p.least {
		return out
	}
	rate := float64(done) / took.Seconds()
	out.SecondsLeft = float64(job.Total-job.Done) / rate
	if job.Stage != rag.StageParse { // there done counts pages or bytes
		out.ChunksASecond = rate
	}
	return out
}
