package main

import (
	"cmp"
	"fmt"
	"image/color"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/redkite/redkite/internal/evaluate"
)

// plotRun draws quality against latency into a run's folder: every configuration as a point, and a line for each series
// of configurations that differ only in how many candidates are read, or only in the time given. It gives the files.
func plotRun(dir string, run evaluate.Run) ([]string, error) {
	charts := []struct {
		file, title string
		series      []qualitySeries
	}{
		{"modes.svg", "Quality and latency: " + run.Set.Name, eachAlone(run.Results)},
		{"depth.svg", "Quality by candidates reranked: " + run.Set.Name, seriesBy(run.Results, "candidates", "top_k")},
		{"deadline.svg", "Quality by deadline in ms: " + run.Set.Name, seriesBy(run.Results, "deadline_ms")},
	}
	var files []string
	for _, chart := range charts {
		if len(chart.series) == 0 {
			continue
		}
		path := filepath.Join(dir, chart.file)
		if err := plotQuality(path, chart.title, chart.series); err != nil {
			return nil, err
		}
		files = append(files, path)
	}
	return files, nil
}

// qualitySeries is a line of points.
type qualitySeries struct {
	name   string // what its points have in common
	shown  string // of the name, what the legend says
	points []qualityPoint
}

// seriesName leaves out of a name what only gives reranking its time.
func seriesName(r evaluate.Request, without ...string) string {
	if name := r.Text(append(without, "exhaustive", "deadline_ms")...); name != "{}" {
		return name
	}
	return "as the collection says"
}

// qualityPoint is a configuration: its request's p95 in milliseconds and its mean nDCG@10.
type qualityPoint struct {
	label        string
	p95, quality float64
	order        float64
}

func pointOf(r evaluate.Result, label string) qualityPoint {
	return qualityPoint{label: label, p95: r.Latency["request"].P95, quality: r.Summary.Measures["ndcg@10"].Mean}
}

func eachAlone(results []evaluate.Result) []qualitySeries {
	var out []qualitySeries
	for _, r := range results {
		out = append(out, qualitySeries{r.Name, r.Name, []qualityPoint{pointOf(r, "")}})
	}
	return out
}

// seriesBy groups the results that name a member and are alike but for it and the others; a group of one is none.
func seriesBy(results []evaluate.Result, member string, others ...string) []qualitySeries {
	var out []qualitySeries
	for _, r := range results {
		if _, named := r.Request[member]; !named {
			continue
		}
		value := r.Request.Number(member, 0)
		point := pointOf(r, fmt.Sprint(value))
		point.order = value
		key := r.Request.Text(append(others, member)...)
		at := slices.IndexFunc(out, func(s qualitySeries) bool { return s.name == key })
		if at < 0 {
			out = append(out, qualitySeries{name: key, shown: seriesName(r.Request, append(others, member)...)})
			at = len(out) - 1
		}
		out[at].points = append(out[at].points, point)
	}
	out = slices.DeleteFunc(out, func(s qualitySeries) bool { return len(s.points) < 2 })
	for _, s := range out {
		slices.SortFunc(s.points, func(a, b qualityPoint) int { return cmp.Compare(a.order, b.order) })
	}
	return out
}

func plotQuality(path, title string, series []qualitySeries) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "p95 of a request, milliseconds", "nDCG@10"
	p.Add(plotter.NewGrid())
	p.Legend.Top, p.Legend.Padding = false, vg.Points(2.5)
	palette := qualityColours()
	least, most, slowest := 1.0, 0.0, 0.0
	for i, s := range series {
		xys := make(plotter.XYs, len(s.points))
		labels := make([]string, len(s.points))
		for n, point := range s.points {
			xys[n], labels[n] = plotter.XY{X: point.p95, Y: point.quality}, point.label
			least, most = min(least, point.quality), max(most, point.quality)
			slowest = max(slowest, point.p95)
		}
		line, dots, err := plotter.NewLinePoints(xys)
		if err != nil {
			return fmt.Errorf("plot %s: %w", s.name, err)
		}
		line.Color = palette[i%len(palette)]
		line.Width = vg.Points(1.5)
		dots.Color, dots.Shape, dots.Radius = line.Color, qualityShapes()[(i/len(palette))%len(qualityShapes())], vg.Points(3.5)
		names, err := plotter.NewLabels(plotter.XYLabels{XYs: xys, Labels: labels})
		if err != nil {
			return fmt.Errorf("plot %s: %w", s.name, err)
		}
		names.Offset = vg.Point{X: vg.Points(4), Y: vg.Points(4)}
		p.Add(line, dots, names)
		p.Legend.Add(s.shown, dots)
	}
	margin := max(0.01, (most-least)*0.15)
	p.Y.Min, p.Y.Max, p.X.Min = least-margin-(most-least)*0.1*float64(len(series)), most+margin, 0 // the legend stands below the points
	p.X.Max = 1.1 * slowest
	p.Title.Padding = vg.Points(6)
	p.Title.TextStyle.YAlign = -1.2 // else the file cuts the letters' upper ends off
	if err := savePlot(p, 7*vg.Inch, 4.5*vg.Inch, path); err != nil {
		return fmt.Errorf("write plot %s: %w", path, err)
	}
	return nil
}

// qualityColours are Okabe and Ito's, which people who see colours differently can tell apart.
func qualityColours() []color.Color {
	return []color.Color{
		color.RGBA{0x00, 0x72, 0xb2, 0xff}, color.RGBA{0xd5, 0x5e, 0x00, 0xff}, color.RGBA{0x00, 0x9e, 0x73, 0xff},
		color.RGBA{0xcc, 0x79, 0xa7, 0xff}, color.RGBA{0xe6, 0x9f, 0x00, 0xff}, color.RGBA{0x56, 0xb4, 0xe9, 0xff}, color.RGBA{0x00, 0x00, 0x00, 0xff},
	}
}

func qualityShapes() []draw.GlyphDrawer {
	return []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}}
}
