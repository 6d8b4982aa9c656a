package bert

import (
	"math"
	"math/rand/v2"
)

// The functions here compute what a network says in plain Go and 64-bit numbers, with nothing quantised on the way.

func (n *network) reference(ids, kinds []int64) []float64 {
	x := make([][]float64, len(ids))
	for t := range x {
		x[t] = make([]float64, n.hidden)
		for i := range x[t] {
			x[t][i] = float64(int8(n.words[int(ids[t])*n.hidden+i]))*float64(n.wordScales[ids[t]]) + float64(n.positions[t*n.hidden+i])
			if len(n.types) > 0 {
				x[t][i] += float64(n.types[int(kinds[t])*n.hidden+i])
			}
		}
		n.norm.apply(x[t])
	}
	for _, b := range n.layers {
		x = n.layer(b, x)
	}
	y := x[0]
	if n.mean {
		y = make([]float64, n.hidden)
		for _, row := range x {
			for i, v := range row {
				y[i] += v / float64(len(x))
			}
		}
	}
	if n.unit {
		length := 0.0
		for _, v := range y {
			length += v * v
		}
		for i := range y {
			y[i] /= math.Sqrt(length)
		}
		return y
	}
	for i, d := range n.head {
		z := make([]float64, d.outputs)
		for o := range z {
			z[o] = float64(d.bias[o])
			for j, v := range y {
				z[o] += v * float64(d.weight[j*d.outputs+o])
			}
			if i < len(n.head)-1 {
				z[o] = math.Tanh(z[o])
			}
		}
		y = z
	}
	return y
}

func (n *network) layer(b block, x [][]float64) [][]float64 {
	asks := x
	if b.firstOnly {
		asks = x[:1]
	}
	query, keyValue := b.query.apply(asks), b.keyValue.apply(x)
	d := n.hidden / n.heads
	seen := make([][]float64, len(asks))
	for t := range seen {
		seen[t] = make([]float64, n.hidden)
		for head := range n.heads {
			weights, sum := make([]float64, len(x)), 0.0
			for k := range x {
				for i := range d {
					weights[k] += query[t][head*d+i] * keyValue[k][head*d+i] / math.Sqrt(float64(d))
				}
				weights[k] = math.Exp(weights[k])
				sum += weights[k]
			}
			for k := range x {
				for i := range d {
					seen[t][head*d+i] += weights[k] / sum * keyValue[k][n.hidden+head*d+i]
				}
			}
		}
	}
	y := add(b.attentionNorm, b.output.apply(seen), asks)
	wide := b.up.apply(y)
	for _, row := range wide {
		for i, v := range row {
			row[i] = v * (1 + math.Erf(v/math.Sqrt2)) / 2
		}
	}
	return add(b.lastNorm, b.down.apply(wide), y)
}

func add(n norms, a, b [][]float64) [][]float64 {
	for t := range a {
		for i := range a[t] {
			a[t][i] += b[t][i]
		}
		n.apply(a[t])
	}
	return a
}

func (n norms) apply(x []float64) {
	var mean, variance float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x))
	}
	for i, v := range x {
		x[i] = (v-mean)/math.Sqrt(variance+1e-12)*float64(n.weight[i]) + float64(n.bias[i])
	}
}

func (l linear) apply(x [][]float64) [][]float64 {
	out := make([][]float64, len(x))
	for t, row := range x {
		y := make([]float64, l.outputs)
		for i, v := range row {
			if l.smooth != nil {
				v *= float64(l.smooth[i])
			}
			for o, w := range l.weight[i*l.outputs : (i+1)*l.outputs] {
				y[o] += v * float64(int8(w))
			}
		}
		for o := range y {
			y[o] = y[o]*float64(l.scale[o]) + float64(l.bias[o])
		}
		out[t] = y
	}
	return out
}

// randomNetwork has numbers of the size that trained encoders have.
func randomNetwork(hidden, heads, wide, layers int, mean bool) *network {
	r := rand.New(rand.NewPCG(1, 2))
	floats := func(n int, mean, deviation float64) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = float32(mean + deviation*r.NormFloat64())
		}
		return out
	}
	bytes := func(n int) []byte {
		out := make([]byte, n)
		for i := range out {
			out[i] = byte(int8(max(-127, min(127, 40*r.NormFloat64()))))
		}
		return out
	}
	product := func(inputs, outputs int, smooth bool) linear {
		l := linear{inputs: inputs, outputs: outputs, weight: bytes(inputs * outputs), scale: floats(outputs, 1.5/40/math.Sqrt(float64(inputs)), 1e-4), bias: floats(outputs, 0, 0.1)}
		if smooth {
			l.smooth = floats(inputs, 1, 0.1)
		}
		return l
	}
	norm := func() norms { return norms{floats(hidden, 1, 0.1), floats(hidden, 0, 0.1)} }
	const vocabulary, positions = 100, 512
	n := &network{
		hidden: hidden, heads: heads, wide: wide, words: bytes(vocabulary * hidden), wordScales: floats(vocabulary, 0.02, 0.001),
		types: floats(2*hidden, 0, 0.1), positions: floats(positions*hidden, 0, 0.1), norm: norm(), mean: mean, unit: true,
	}
	for i := range layers {
		b := block{
			query: product(hidden, hidden, true), keyValue: product(hidden, 2*hidden, true), output: product(hidden, hidden, false),
			up: product(hidden, wide, true), down: product(wide, hidden, true), attentionNorm: norm(), lastNorm: norm(),
			firstOnly: !mean && i == layers-1,
		}
		n.layers = append(n.layers, b)
	}
	return n
}
