package encode

import (
	"crypto/sha256"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

// digest stands for a text. It is collision-proof, so that no one can have another's text scored as theirs.
type digest [sha256.Size]byte

func digestOf(text string) digest { return sha256.Sum256([]byte(text)) }

// pairDigest stands for a query and a passage.
type pairDigest struct{ query, passage digest }

// kept remembers what was used last, up to a number of entries; it may be used by many goroutines.
type kept[K comparable, V any] struct {
	cache        *lru.Cache[K, V]
	hits, misses atomic.Uint64
}

// Cache tells how often what was asked for was kept.
type Cache struct {
	Hits, Misses uint64
	Entries      int
}

// Plus sums two caches up.
func (c Cache) Plus(d Cache) Cache {
	return Cache{c.Hits + d.Hits, c.Misses + d.Misses, c.Entries + d.Entries}
}

// newKept keeps n entries; of 0 or less it keeps none.
func newKept[K comparable, V any](n int) *kept[K, V] {
	if n <= 0 {
		return &kept[K, V]{}
	}
	cache, err := lru.New[K, V](n)
	if err != nil { // only for sizes of 0 or less
		panic(err)
	}
	return &kept[K, V]{cache: cache}
}

func (k *kept[K, V]) get(key K) (value V, ok bool) {
	if k.cache == nil {
		return value, false
	}
	if value, ok = k.cache.Get(key); ok {
		k.hits.Add(1)
	} else {
		k.misses.Add(1)
	}
	return value, ok
}

func (k *kept[K, V]) told() Cache {
	c := Cache{Hits: k.hits.Load(), Misses: k.misses.Load()}
	if k.cache != nil {
		c.Entries = k.cache.Len()
	}
	return c
}

func (k *kept[K, V]) add(key K, value V) {
	if k.cache != nil {
		k.cache.Add(key, value)
	}
}
