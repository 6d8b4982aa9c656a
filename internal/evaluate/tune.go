package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Table is a measure of every query under every candidate: Values[candidate][query]. The first candidate is what is in
// use. Later ones should cost no less than earlier ones: of two that are as good the earlier is chosen.
type Table struct {
	Candidates []Configuration
	Values     [][]float64
}

// Choice is what cross-validation chose and what that is worth.
type Choice struct {
	Chosen Configuration `json:"chosen"` // on all queries
	Index  int           `json:"-"`
	Gain   Interval      `json:"gain"`   // over what is in use, on queries that had no part in the choice
	Chance float64       `json:"chance"` // how often the best of as many candidates would be as much better by chance alone
	Told   bool          `json:"told"`   // the gain is told from noise: its interval lies above 0, and chance is below 5%
	Before Interval      `json:"before"` // of what is in use
	After  float64       `json:"after"`  // of the chosen one on all queries, which flatters it
	Folds  []string      `json:"folds"`  // what each fold chose
}

// leastGain is the smallest mean gain that is worth a change, so that rounding is none.
const leastGain = 1e-9

// Choose cross-validates the choice of the best candidate. The queries are dealt into folds; for each fold the candidate
// with the best mean on the other folds is chosen and measured on the fold's own queries. The gain is the mean over all
// queries of what was measured so less what is in use gives, with the paired bootstrap interval: it is the worth of
// choosing by such data, and no candidate is judged by the queries that chose it. The candidate handed back is the best on
// all queries.
//
// That interval alone is too narrow, since the folds' choices share most of their queries: of candidates that differ by
// chance only it was above 0 in 8 of 100 trials. So a gain must also pass a randomisation test that knows how many
// candidates there were to choose from.
func (t Table) Choose(folds int, seed uint64) Choice {
	queries := len(t.Values[0])
	order := rand.New(rand.NewPCG(seed, seed)).Perm(queries)
	held := make([]float64, queries)
	c := Choice{}
	for fold := range folds {
		var training []int
		for place, q := range order {
			if place%folds != fold {
				training = append(training, q)
			}
		}
		best := t.best(training)
		c.Folds = append(c.Folds, t.Candidates[best].Name)
		for place, q := range order {
			if place%folds == fold {
				held[q] = t.Values[best][q]
			}
		}
	}
	c.Index = t.best(order)
	c.Chosen = t.Candidates[c.Index]
	c.Gain = Paired(t.Values[0], held, seed)
	c.Before = Bootstrap([][]float64{t.Values[0]}, seed)[0]
	c.After = mean(t.Values[c.Index])
	c.Chance = t.chance(seed)
	c.Told = c.Index != 0 && c.Gain.Low > leastGain && c.Chance < mostChance
	return c
}

// mostChance is the chance from which a gain is taken for noise.
const mostChance = 0.05

// randomisations is how many times chance is played.
const randomisations = 2000

// chance is the p-value of the best candidate's gain: were no candidate better than what is in use, the two values of each
// query could as well be swapped (Smucker, Allan and Carterette 2007); it is how often, swapped at random, the best
// candidate's gain in units of its standard error is as large as it is. Taking the best of all candidates each time makes up
// for choosing among many (Westfall and Young 1993).
func (t Table) chance(seed uint64) float64 {
	queries := len(t.Values[0])
	var differences [][]float64 // of candidates that differ at all, in standard errors
	best := 0.0
	for _, values := range t.Values[1:] {
		d := minus(values, t.Values[0])
		squares := 0.0
		for _, x := range d {
			squares += x * x
		}
		if squares == 0 {
			continue
		}
		sum := 0.0
		for i := range d { // swapping keeps the squares, so they scale the sum for good
			d[i] /= math.Sqrt(squares)
			sum += d[i]
		}
		best = max(best, sum)
		differences = append(differences, d)
	}
	if best <= 0 {
		return 1
	}
	random := rand.New(rand.NewPCG(seed, ^seed))
	signs := make([]float64, queries)
	as := 1 // what was seen is one of the possible swaps
	for range randomisations {
		for i := range signs {
			signs[i] = float64(1 - 2*random.IntN(2))
		}
		if slices.ContainsFunc(differences, func(d []float64) bool { return dot(d, signs) >= best-leastGain }) {
			as++
		}
	}
	return float64(as) / (randomisations + 1)
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// best gives the candidate with the highest mean over queries, the earliest of those that are as good.
func (t Table) best(queries []int) int {
	means := make([]float64, len(t.Candidates))
	for i, values := range t.Values {
		for _, q := range queries {
			means[i] += values[q]
		}
		means[i] /= float64(len(queries))
	}
	best := slices.Max(means)
	return slices.IndexFunc(means, func(m float64) bool { return m >= best-leastGain })
}
