// Command hugot reranks a file of texts with github.com/knights-analytics/hugot on ONNX Runtime, once for each line on
// standard input, as `redkite bench encoder` does. It is a module of its own, so that redkite does not depend on hugot.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/knights-analytics/hugot"
	"github.com/knights-analytics/hugot/options"
	"github.com/knights-analytics/hugot/pipelines"
)

func main() {
	folder := flag.String("model", "", "folder with the tokenizer and the graph")
	graph := flag.String("graph", "", "ONNX file in that folder")
	texts := flag.String("texts", "", "JSON lines with query and passage")
	batch := flag.Int("batch", 1, "pairs a run")
	flag.Parse()
	if err := serve(context.Background(), *folder, *graph, *texts, *batch); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, folder, graph, texts string, batch int) error {
	query, passages, err := read(texts)
	if err != nil {
		return err
	}
	session, err := hugot.NewORTSession(ctx, options.WithOnnxLibraryPath(filepath.Dir(os.Getenv("REDKITE_ONNXRUNTIME_LIBRARY"))))
	if err != nil {
		return err
	}
	defer session.Destroy()
	pipeline, err := hugot.NewPipeline(session, hugot.CrossEncoderConfig{
		ModelPath: folder, Name: "peer", OnnxFilename: graph, Options: []hugot.CrossEncoderOption{pipelines.WithBatchSize(batch)},
	})
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		before, start := processorTime(), time.Now()
		scored, err := pipeline.RunPipeline(ctx, query, passages)
		if err != nil {
			return err
		}
		row := map[string]any{"wall_ms": ms(time.Since(start)), "cpu_ms": ms(processorTime() - before)}
		logits := make([]float32, len(passages))
		for _, r := range scored.Results {
			logits[r.Index] = float32(math.Log(float64(r.Score) / (1 - float64(r.Score)))) // it gives the sigmoid
		}
		row["logits"] = logits
		if err := json.NewEncoder(os.Stdout).Encode(row); err != nil {
			return err
		}
	}
	return nil
}

func read(path string) (query string, passages []string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", nil, err
	}
	defer file.Close()
	for lines := json.NewDecoder(file); lines.More(); {
		var row struct{ Query, Passage string }
		if err := lines.Decode(&row); err != nil {
			return "", nil, fmt.Errorf("read %s: %w", path, err)
		}
		query, passages = row.Query, append(passages, row.Passage)
	}
	return query, passages, nil
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
