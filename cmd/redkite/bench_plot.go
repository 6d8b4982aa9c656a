package main

import (
	"fmt"
	"image/color"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// plotRounds draws the times of rounds against their clients: the request's percentiles, and the median of each stage
// that takes part in it. The file's ending names the format: .svg, .png or .pdf.
func plotRounds(path string, rounds []benchRound) error {
	p := plot.New()
	p.Title.Text = "Search by clients at once"
	p.X.Label.Text = "clients"
	p.Y.Label.Text = "milliseconds"
	p.Y.Min = 0
	p.Add(plotter.NewGrid())
	p.Legend.Top, p.Legend.Left, p.Legend.Padding = true, true, vg.Points(2.5)
	labels := make([]string, len(rounds))
	for i, r := range rounds {
		labels[i] = strconv.Itoa(r.Clients)
	}
	p.NominalX(labels...)
	most := 0.0
	for i, line := range plotLines() {
		points := make(plotter.XYs, len(rounds))
		for n, r := range rounds {
			points[n] = plotter.XY{X: float64(n), Y: line.of(r)}
			most = max(most, points[n].Y)
		}
		drawn, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("plot %s: %w", line.name, err)
		}
		drawn.Color, dots.Color, dots.Shape = line.color, line.color, draw.CircleGlyph{}
		drawn.Width = vg.Points(1.5)
		if i > 2 {
			drawn.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
		}
		p.Add(drawn, dots)
		p.Legend.Add(line.name, drawn, dots)
	}
	p.Y.Max = 1.4 * most // the legend stands above the lines
	if err := savePlot(p, 6*vg.Inch, 4*vg.Inch, path); err != nil {
		return fmt.Errorf("write plot %s: %w", path, err)
	}
	return nil
}

type plotLine struct {
	name  string
	color color.Color
	of    func(benchRound) float64
}

// plotLines are the request's percentiles, then the stages' medians. The colours are Okabe and Ito's, which people who
// see colours differently can tell apart.
func plotLines() []plotLine {
	stage := func(name string) func(benchRound) benchStage {
		return func(r benchRound) benchStage {
			for _, s := range r.Stages {
				if s.Stage == name {
					return s
				}
			}
			return benchStage{}
		}
	}
	request := stage("request")
	median := func(name string) func(benchRound) float64 {
		return func(r benchRound) float64 { return stage(name)(r).P50 }
	}
	return []plotLine{
		{"request, p99", color.RGBA{0xd5, 0x5e, 0x00, 0xff}, func(r benchRound) float64 { return request(r).P99 }},
		{"request, p95", color.RGBA{0xe6, 0x9f, 0x00, 0xff}, func(r benchRound) float64 { return request(r).P95 }},
		{"request, p50", color.RGBA{0x00, 0x72, 0xb2, 0xff}, func(r benchRound) float64 { return request(r).P50 }},
		{"reranking, p50", color.RGBA{0xcc, 0x79, 0xa7, 0xff}, median("rerank")},
		{"embedding the query, p50", color.RGBA{0x00, 0x9e, 0x73, 0xff}, median("embed")},
		{"Milvus, p50", color.RGBA{0x56, 0xb4, 0xe9, 0xff}, median("search")},
	}
}
