package bert

import "fmt"

// network is an encoder as models/build/graph.py writes it, read back from its ONNX file: what is computed, and with
// which numbers. Its layers' numbers are 8-bit, everything between them is 32-bit.
type network struct {
	hidden, heads, wide int
	words               []byte // [vocabulary][hidden], 8-bit
	wordScales          []float32
	types               []float32 // [kinds][hidden]; empty where every token is of type 0 and that is in positions
	positions           []float32 // [most tokens][hidden]
	norm                norms
	layers              []block
	mean                bool    // pools the mean of all tokens, not the first one
	unit                bool    // gives that at unit length; else head follows
	head                []dense // all but the last one end in tanh
}

type block struct {
	query, keyValue, output, up, down linear
	attentionNorm, lastNorm           norms
	joined                            bool // query and keyValue are one product's columns, and read the same
	firstOnly                         bool // only the first token's row is computed
}

// linear is y = quantised(x * smooth) @ weight * scale + bias.
type linear struct {
	inputs, outputs int
	weight          []byte // [inputs][outputs], 8-bit
	scale, bias     []float32
	smooth          []float32 // empty where it is all ones
}

// dense is y = x @ weight + bias.
type dense struct {
	inputs, outputs int
	weight, bias    []float32
}

type norms struct{ weight, bias []float32 }

// readNetwork reads an ONNX file. It takes nothing but what models/build/graph.py writes: node by node, each reading what
// the one before it gave.
func readNetwork(path string) (*network, error) {
	g, err := readGraph(path)
	if err != nil {
		return nil, err
	}
	if g.producer != producer {
		return nil, fmt.Errorf("the graph was made by %q, and only those of models/build are known", g.producer)
	}
	r := &reader{graph: g, n: &network{}}
	x := r.embeddings()
	for r.more() {
		x = r.block(x)
	}
	r.pooled(x)
	if r.err != nil {
		return nil, r.err
	}
	return r.n, r.n.check()
}

// check refuses sizes that the kernels are not made for.
func (n *network) check() error {
	if n.hidden%64 != 0 || n.wide%64 != 0 || n.heads == 0 || n.hidden%n.heads != 0 || n.hidden/n.heads != 32 && n.hidden/n.heads != 64 {
		return fmt.Errorf("%d numbers a token, %d inside, %d heads: want multiples of 64 and 32 or 64 numbers a head", n.hidden, n.wide, n.heads)
	}
	if len(n.positions) == 0 || len(n.positions)%n.hidden != 0 || len(n.types)%n.hidden != 0 {
		return fmt.Errorf("%d numbers of positions and %d of types, with %d a token", len(n.positions), len(n.types), n.hidden)
	}
	return nil
}

// tokens is the most that a run may have.
func (n *network) tokens() int { return len(n.positions) / n.hidden }

// reader walks a graph's nodes. The first thing that is not as expected is kept in err, and all that follows is empty.
type reader struct {
	graph *graph
	n     *network
	at    int
	err   error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("node %d: %s", r.at, fmt.Sprintf(format, args...))
	}
}

// next is the kind of the node that comes.
func (r *reader) next() string {
	if r.err != nil || r.at >= len(r.graph.nodes) {
		return ""
	}
	return r.graph.nodes[r.at].kind
}

// take gives the next node, which must be of a kind and have so many inputs, the first ones named.
func (r *reader) take(kind string, inputs int, named ...string) node {
	if r.next() != kind {
		r.fail("%q comes, and %q is expected", r.next(), kind)
	}
	if r.err != nil {
		return node{inputs: make([]string, inputs), outputs: make([]string, 3)}
	}
	n := r.graph.nodes[r.at]
	r.at++
	if len(n.inputs) != inputs || len(n.outputs) == 0 {
		r.fail("%s has %d inputs, want %d", kind, len(n.inputs), inputs)
		return node{inputs: make([]string, inputs), outputs: make([]string, 3)}
	}
	for i, name := range named {
		if n.inputs[i] != name {
			r.fail("%s reads %q, want %q", kind, n.inputs[i], name)
		}
	}
	return n
}

// floats gives a weight of so many numbers.
func (r *reader) floats(name string, count int) []float32 {
	if r.err != nil {
		return nil
	}
	out, err := r.graph.weights[name].floats(count)
	if err != nil {
		r.fail("%s: %v", name, err)
	}
	return out
}

// ints checks a weight of whole numbers.
func (r *reader) ints(name string, want ...int64) {
	if r.err == nil && !r.graph.weights[name].is(want...) {
		r.fail("%s is not %v", name, want)
	}
}

func (r *reader) embeddings() string {
	const ids, kinds = "input_ids", "token_type_ids"
	length := r.take("Gather", 2, r.take("Shape", 1, ids).outputs[0])
	r.ints(length.inputs[1], 1)
	words := r.take("Gather", 2)
	whole := r.take("Cast", 1, words.outputs[0]).outputs[0]
	scales := r.take("Gather", 2)
	if words.inputs[1] != ids || scales.inputs[1] != ids {
		r.fail("words are not looked up by %s", ids)
	}
	x := r.take("Mul", 2, whole, scales.outputs[0]).outputs[0]
	raw, vocabulary, hidden, err := r.graph.weights[words.inputs[0]].matrix()
	if err != nil {
		r.fail("words: %v", err)
	}
	r.n.hidden, r.n.words, r.n.wordScales = hidden, raw, r.floats(scales.inputs[0], vocabulary)
	if r.next() == "Gather" {
		types := r.take("Gather", 2)
		if types.inputs[1] != kinds {
			r.fail("types are looked up by %s", types.inputs[1])
		}
		r.n.types = r.floats(types.inputs[0], len(r.graph.weights[types.inputs[0]].raw)/4)
		x = r.take("Add", 2, x, types.outputs[0]).outputs[0]
	}
	slice := r.take("Slice", 4)
	r.ints(slice.inputs[1], 0)
	r.ints(slice.inputs[3], 0)
	if slice.inputs[2] != length.outputs[0] {
		r.fail("positions are cut by %s", slice.inputs[2])
	}
	r.n.positions = r.floats(slice.inputs[0], len(r.graph.weights[slice.inputs[0]].raw)/4)
	x = r.take("Add", 2, x, slice.outputs[0]).outputs[0]
	r.n.norm, x = r.norm(x)
	return x
}

// more reports whether another layer comes.
func (r *reader) more() bool {
	kind := r.next()
	return kind == "Mul" || kind == "DynamicQuantizeMatMul" || kind == "Slice"
}

func (r *reader) norm(x string) (norms, string) {
	n := r.take("LayerNormalization", 3, x)
	return norms{r.floats(n.inputs[1], r.n.hidden), r.floats(n.inputs[2], r.n.hidden)}, n.outputs[0]
}

func (r *reader) product(x string) (linear, string) {
	var l linear
	if r.next() == "Mul" {
		smooth := r.take("Mul", 2, x)
		l.smooth, x = r.floats(smooth.inputs[1], r.graph.weights[smooth.inputs[1]].last()), smooth.outputs[0]
	}
	n := r.take("DynamicQuantizeMatMul", 5, x)
	var err error
	if l.weight, l.inputs, l.outputs, err = r.graph.weights[n.inputs[1]].matrix(); err != nil {
		r.fail("product: %v", err)
	}
	if n.inputs[3] != "" || l.smooth != nil && len(l.smooth) != l.inputs {
		r.fail("a product with a zero point, or %d factors for %d inputs", len(l.smooth), l.inputs)
	}
	l.scale, l.bias = r.floats(n.inputs[2], l.outputs), r.floats(n.inputs[4], l.outputs)
	return l, n.outputs[0]
}

// sized checks a product's size.
func (r *reader) sized(l linear, inputs, outputs int) {
	if r.err == nil && (l.inputs != inputs || l.outputs != outputs) {
		r.fail("a product of %d x %d, want %d x %d", l.inputs, l.outputs, inputs, outputs)
	}
}

func (r *reader) block(x string) string {
	var b block
	var query, key, value string
	asks, h := x, r.n.hidden
	if r.next() == "Slice" {
		b.firstOnly = true
		first := r.take("Slice", 4, x)
		r.ints(first.inputs[1], 0)
		r.ints(first.inputs[2], 1)
		r.ints(first.inputs[3], 1)
		asks = first.outputs[0]
		b.query, query = r.product(asks)
		var both string
		b.keyValue, both = r.product(x)
		split := r.take("Split", 1, both)
		key, value = split.outputs[0], split.outputs[1]
	} else {
		all, three := r.product(x)
		r.sized(all, h, 3*h)
		split := r.take("Split", 1, three)
		query, key, value = split.outputs[0], split.outputs[1], split.outputs[2]
		if r.err == nil {
			b.joined, b.query, b.keyValue = true, all.columns(0, h), all.columns(h, 3*h)
		}
	}
	r.sized(b.query, h, h)
	r.sized(b.keyValue, h, 2*h)
	attention := r.take("MultiHeadAttention", 3, query, key, value)
	heads := int(attention.numbers["num_heads"])
	if r.n.heads != 0 && heads != r.n.heads {
		r.fail("%d heads, %d before", heads, r.n.heads)
	}
	r.n.heads = heads
	y := attention.outputs[0]
	b.output, y = r.product(y)
	r.sized(b.output, h, h)
	b.attentionNorm, x = r.norm(r.take("Add", 2, y, asks).outputs[0])
	b.up, y = r.product(x)
	r.n.wide = b.up.outputs
	r.sized(b.up, h, r.n.wide)
	b.down, y = r.product(r.take("Gelu", 1, y).outputs[0])
	r.sized(b.down, r.n.wide, h)
	b.lastNorm, x = r.norm(r.take("Add", 2, y, x).outputs[0])
	if len(r.n.layers) > 0 && r.n.layers[len(r.n.layers)-1].firstOnly {
		r.fail("a layer follows one of which only the first token is computed")
	}
	r.n.layers = append(r.n.layers, b)
	return x
}

// columns gives a product's columns from one to before another.
func (l linear) columns(from, to int) linear {
	out := linear{inputs: l.inputs, outputs: to - from, scale: l.scale[from:to], bias: l.bias[from:to], smooth: l.smooth}
	for i := range l.inputs {
		out.weight = append(out.weight, l.weight[i*l.outputs+from:i*l.outputs+to]...)
	}
	return out
}

func (r *reader) pooled(x string) {
	if r.next() == "ReduceMean" {
		r.n.mean = true
		mean := r.take("ReduceMean", 2, x)
		r.ints(mean.inputs[1], 1)
		x = mean.outputs[0]
	} else {
		row := r.take("Reshape", 2, x)
		r.ints(row.inputs[1], -1, int64(r.n.hidden))
		x = row.outputs[0]
	}
	if len(r.n.layers) == 0 {
		r.fail("there are no layers")
	}
	if r.err == nil && r.n.mean == r.n.layers[len(r.n.layers)-1].firstOnly {
		r.fail("the pooling does not fit the last layer")
	}
	if r.next() == "ReduceL2" {
		r.n.unit = true
		length := r.take("ReduceL2", 2, x).outputs[0]
		r.take("Div", 2, x, length)
	} else {
		for size := r.n.hidden; r.next() == "Gemm"; {
			gemm := r.take("Gemm", 3, x)
			d := dense{inputs: size, outputs: r.graph.weights[gemm.inputs[2]].last()}
			d.weight, d.bias = r.floats(gemm.inputs[1], d.inputs*d.outputs), r.floats(gemm.inputs[2], d.outputs)
			r.n.head, x, size = append(r.n.head, d), gemm.outputs[0], d.outputs
			if r.next() == "Tanh" {
				x = r.take("Tanh", 1, x).outputs[0]
			} else {
				break
			}
		}
	}
	if r.err == nil && r.at != len(r.graph.nodes) {
		r.fail("%q follows the end", r.next())
	}
}
