package encode

import "sync"

// Batch is what one run reads: three matrices of Rows x Width, row by row. Rows are equally long; nothing is padded, so
// Mask is all ones.
type Batch struct {
	IDs, TypeIDs, Mask []int64
	Rows, Width        int
}

// batches keeps batches whose slices have grown to what a model reads, for the runs that follow.
type batches struct{ pool sync.Pool }

func (p *batches) get() *Batch {
	if b, ok := p.pool.Get().(*Batch); ok {
		return b
	}
	return new(Batch)
}

func (p *batches) put(b *Batch) { p.pool.Put(b) }

// reset empties b to be one row of at most width tokens.
func (b *Batch) reset(width int) {
	if cap(b.IDs) < width {
		all := make([]int64, 3*width)
		b.IDs, b.TypeIDs, b.Mask = all[:width:width], all[width:2*width:2*width], all[2*width:]
		for i := range b.Mask {
			b.Mask[i] = 1
		}
	}
	b.IDs, b.TypeIDs, b.Mask = b.IDs[:0], b.TypeIDs[:0], b.Mask[:width]
	b.Rows, b.Width = 1, width
}

func (b *Batch) append(typeID int64, ids []int32) {
	for _, id := range ids {
		b.IDs = append(b.IDs, int64(id))
		b.TypeIDs = append(b.TypeIDs, typeID)
	}
}

// Template says where a model wants its special tokens: Prefix A Suffix for one text, Prefix A Between B Suffix for a
// pair. Type ids are 0 up to and including Between, and PairType from B on.
type Template struct {
	Prefix, Between, Suffix []int32
	PairType                int64
}

// single fills b with one text, its ids clipped so that all is at most maxTokens wide.
func (t Template) single(b *Batch, ids []int32, maxTokens int) {
	kept := min(len(ids), max(0, maxTokens-len(t.Prefix)-len(t.Suffix)))
	b.reset(len(t.Prefix) + kept + len(t.Suffix))
	b.append(0, t.Prefix)
	b.append(0, ids[:kept])
	b.append(0, t.Suffix)
}

// pair fills b with a query and a passage. Where both do not fit, the longer one loses tokens from its end until they
// do, as Hugging Face's longest_first does.
func (t Template) pair(b *Batch, query, passage []int32, maxTokens int) {
	special := len(t.Prefix) + len(t.Between) + len(t.Suffix)
	q, p := longestFirst(len(query), len(passage), max(0, maxTokens-special))
	b.reset(special + q + p)
	b.append(0, t.Prefix)
	b.append(0, query[:q])
	b.append(0, t.Between)
	b.append(t.PairType, passage[:p])
	b.append(t.PairType, t.Suffix)
}

// longestFirst gives how many tokens of two texts are kept when room tokens fit. As in Hugging Face's tokenizers the
// shorter text is kept whole where it is at most half the room, and else both get half, the second one the odd token.
func longestFirst(a, b, room int) (int, int) {
	if a+b <= room {
		return a, b
	}
	shorter := min(a, b)
	longer := room - shorter
	if shorter > room || longer < shorter {
		shorter = room / 2
		longer = shorter + room%2
	}
	if a > b {
		return longer, shorter
	}
	return shorter, longer
}
