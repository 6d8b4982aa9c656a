package catalog

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestRiverLogger(t *testing.T) {
	var out bytes.Buffer
	log := riverLogger(slog.New(slog.NewTextHandler(&out, nil))).With("queue", "q")
	for range 3 {
		log.Info("starting")
		log.Error("can't fetch")
		log.Warn("slow")
	}
	if got := out.String(); strings.Count(got, "fetch") != 1 || strings.Count(got, "slow") != 1 || strings.Contains(got, "starting") {
		t.Errorf("got\n%s", got)
	}
}
