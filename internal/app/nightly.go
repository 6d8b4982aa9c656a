package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/redkite/redkite/internal/catalog"
)

// nightlyPause is the time between two looks for collections that are due.
const nightlyPause = 10 * time.Minute

// nightly has every collection reconciled once in so long.
type nightly struct {
	catalog *catalog.Catalog
	every   time.Duration
	log     *slog.Logger
}

// run queues what is due until ctx ends.
func (n nightly) run(ctx context.Context) error {
	ticker := time.NewTicker(nightlyPause)
	defer ticker.Stop()
	for {
		queued, err := n.catalog.QueueReconciliations(ctx, n.every)
		if err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "reconciliations not queued", "error", err)
		}
		if queued > 0 {
			n.log.InfoContext(ctx, "reconciliations queued", "collections", queued)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
