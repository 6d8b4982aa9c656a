package evaluate

import (
	"math/rand/v2"
	"slices"
)

// Interval is a mean over queries and where 95 of 100 resamples of the queries have it.
type Interval struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Excludes says that the interval lies wholly above or below a value: a difference that excludes 0 is told from noise.
func (i Interval) Excludes(x float64) bool { return i.Low > x || i.High < x }

// resamples is how many samples of the queries, of their number, with replacement, an interval is drawn from. With 4000
// an end of a 95% interval has a standard error of about a fiftieth of the interval's width.
const resamples = 4000

// Bootstrap draws samples of queries and gives the percentile interval of each series' mean (Efron and Tibshirani 1993,
// chapter 13). All series are of the same queries, in the same order, and each sample is one for all of them: the
// interval of a series of differences is then the paired one (Sakai 2006). The seed makes it repeatable.
func Bootstrap(series [][]float64, seed uint64) []Interval {
	out := make([]Interval, len(series))
	if len(series) == 0 || len(series[0]) == 0 {
		return out
	}
	n := len(series[0])
	random := rand.New(rand.NewPCG(seed, seed))
	means := make([][]float64, len(series))
	for s := range means {
		means[s] = make([]float64, resamples)
	}
	times := make([]float64, n) // how often each query is in the sample
	for r := range resamples {
		clear(times)
		for range n {
			times[random.IntN(n)]++
		}
		for s, values := range series {
			sum := 0.0
			for i, t := range times {
				sum += t * values[i]
			}
			means[s][r] = sum / float64(n)
		}
	}
	for s, values := range series {
		slices.Sort(means[s])
		out[s] = Interval{Mean: mean(values), Low: means[s][resamples*25/1000], High: means[s][resamples*975/1000-1]}
	}
	return out
}

// Paired is the interval of the mean of b less a.
func Paired(a, b []float64, seed uint64) Interval {
	difference := make([]float64, len(a))
	for i := range a {
		difference[i] = b[i] - a[i]
	}
	return Bootstrap([][]float64{difference}, seed)[0]
}
