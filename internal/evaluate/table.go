package evaluate

import (
	"fmt"
	"slices"
	"strings"
)

// Markdown is a run as two tables, of quality and of latency, below what was asked of what.
func (r Run) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d queries, %d documents as %d chunks", r.Set.Name, r.Set.Queries, r.Collection.Documents, r.Collection.Chunks)
	if r.Ingest != nil {
		fmt.Fprintf(&b, ", ingested in %.0f s", r.Ingest.Seconds)
	}
	fmt.Fprintf(&b, ".\nRun %s, server %s, content %s", r.ID, r.Version, short(r.Collection.Fingerprint))
	for _, m := range r.Models {
		fmt.Fprintf(&b, ", %s %s (%s)", m.Kind, m.Name, short(m.SHA256))
	}
	b.WriteString(".\n\n")
	b.WriteString(QualityTable(r.Results))
	b.WriteString("\n")
	b.WriteString(LatencyTable(r.Results))
	for _, line := range r.LeftOut {
		fmt.Fprintf(&b, "\n%s\n", line)
	}
	return b.String()
}

// QualityTable has a row for each configuration: the measures with their 95% intervals, and the difference in nDCG@10 to
// the first one, bold where it is told from noise.
func QualityTable(results []Result) string {
	names := columns(results)
	var b strings.Builder
	b.WriteString("| configuration |")
	for _, name := range names {
		fmt.Fprintf(&b, " %s |", name)
	}
	b.WriteString(" difference in nDCG@10 |\n|---|" + strings.Repeat("---|", len(names)+1) + "\n")
	for i, r := range results {
		fmt.Fprintf(&b, "| %s |", r.Name)
		for _, name := range names {
			m, ok := r.Summary.Measures[name]
			switch {
			case !ok:
				b.WriteString(" - |")
			case name == "ndcg@10":
				fmt.Fprintf(&b, " %.4f (%.4f to %.4f) |", m.Mean, m.Low, m.High)
			default:
				fmt.Fprintf(&b, " %.4f |", m.Mean)
			}
		}
		if i == 0 {
			b.WriteString(" |\n")
			continue
		}
		fmt.Fprintf(&b, " %s |\n", r.Differences["ndcg@10"].Signed())
	}
	return b.String()
}

// Signed writes a difference with its interval, bold where that excludes 0.
func (i Interval) Signed() string {
	text := fmt.Sprintf("%+.4f (%+.4f to %+.4f)", i.Mean, i.Low, i.High)
	if i.Excludes(0) {
		return "**" + text + "**"
	}
	return text
}

// columns are the measures that any result has, the usual ones first.
func columns(results []Result) []string {
	var out []string
	for _, m := range Measures() {
		out = append(out, m.Name)
	}
	for _, r := range results {
		for _, name := range measuresOf(r) {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// LatencyTable has a row for each configuration: p50 and p95 of each stage in milliseconds.
func LatencyTable(results []Result) string {
	stages := stagesOf(results)
	var b strings.Builder
	b.WriteString("| ms, p50 / p95 |")
	for _, stage := range stages {
		fmt.Fprintf(&b, " %s |", stage)
	}
	b.WriteString(" reranked | degraded | late |\n|---|" + strings.Repeat("---|", len(stages)+3) + "\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s |", r.Name)
		for _, stage := range stages {
			if q, ok := r.Latency[stage]; ok {
				fmt.Fprintf(&b, " %.0f / %.0f |", q.P50, q.P95)
			} else {
				b.WriteString(" - |")
			}
		}
		fmt.Fprintf(&b, " %.1f | %d | %d |\n", r.Reranked, r.Degraded, r.Late)
	}
	return b.String()
}

// stagesOf names the stages that any result has, in the order in which they run as far as that is known, the whole last.
func stagesOf(results []Result) []string {
	var out []string
	for _, r := range results {
		for stage := range r.Latency {
			if !slices.Contains(out, stage) {
				out = append(out, stage)
			}
		}
	}
	known := []string{"embed", "search", "live", "rerank"}
	last := []string{"total", "request"}
	place := func(stage string) int {
		if i := slices.Index(known, stage); i >= 0 {
			return i
		}
		if i := slices.Index(last, stage); i >= 0 {
			return 100 + i
		}
		return 50
	}
	slices.SortFunc(out, func(a, b string) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return out
}
