package catalog

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// riverEvery is how often one message of River's is let through: while the database is away it says the same ten times a
// second.
const riverEvery = 10 * time.Second

// riverLogger lets only River's warnings through, and each message once in a while.
func riverLogger(log *slog.Logger) *slog.Logger {
	return slog.New(warnings{log.With("library", "river").Handler(), &said{at: map[string]time.Time{}}})
}

type warnings struct {
	slog.Handler
	said *said
}

// said is when each message was last let through. River has some dozens of them.
type said struct {
	mu sync.Mutex
	at map[string]time.Time
}

// due reports whether a message is to be let through now.
func (s *said) due(message string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.at[message]; ok && now.Sub(last) < riverEvery {
		return false
	}
	s.at[message] = now
	return true
}

// Enabled drops what is below a warning.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// Handle writes a record, unless the same message was written just now.
func (w warnings) Handle(ctx context.Context, record slog.Record) error {
	if !w.said.due(record.Message, record.Time) {
		return nil
	}
	return w.Handler.Handle(ctx, record)
}

// WithAttrs keeps the threshold on derived loggers.
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs), w.said}
}

// WithGroup keeps the threshold on derived loggers.
func (w warnings) WithGroup(name string) slog.Handler {
	return warnings{w.Handler.WithGroup(name), w.said}
}
