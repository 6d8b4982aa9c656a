// Attention of all heads, in 16-bit numbers (bf16) with 32-bit sums.
#ifndef REDKITE_BERT_ATTENTION_H
#define REDKITE_BERT_ATTENTION_H

#include "kernel_products.h"

// products16 gives, for 16 rows, pairs of x (stride in pairs) times w, depth times 16 pairs deep, in y. Every 16 columns
// have their own tile of 16 x 16 pairs of w, apart by tile, and every 16 pairs of depth the next one, apart by deeper.
#define SUMS16(r) __m512 a##r = _mm512_setzero_ps(), b##r = a##r;
#define ADD16(r) \
	each = (__m512bh)_mm512_set1_epi32((int)from[(size_t)r * stride + i]); \
	a##r = _mm512_dpbf16_ps(a##r, each, wa), b##r = _mm512_dpbf16_ps(b##r, each, wb);
#define STORE16(r) _mm512_storeu_ps(to + r * width, a##r), _mm512_storeu_ps(to + r * width + 16, b##r);
#define EIGHT(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
KERNEL static void products16(const uint32_t *x, int stride, int depth, const uint32_t *w, size_t tile, size_t deeper, int columns, float *y, int width) {
	for (int row = 0; row < 16; row += 8)
		for (int c = 0; c < columns; c += 2) {
			float *to = y + (size_t)row * width + c * 16;
			EIGHT(SUMS16)
			for (int k = 0; k < depth; k++) {
				const uint32_t *from = x + (size_t)row * stride + k * 16, *at = w + c * tile + k * deeper;
				for (int i = 0; i < 16; i++, at += 16) {
					__m512bh wa = (__m512bh)_mm512_loadu_si512(at), wb = (__m512bh)_mm512_loadu_si512(at + tile), each;
					EIGHT(ADD16)
				}
			}
			EIGHT(STORE16)
		}
}

#if TILES
TILE_KERNEL static void products16_tiles(const uint32_t *x, int stride, int depth, const uint32_t *w, size_t tile, size_t deeper, int columns, float *y, int width) {
	SETTLED();
	for (int c = 0; c < columns; c += 2) {
		_tile_zero(0);
		_tile_zero(1);
		for (int k = 0; k < depth; k++) {
			_tile_loadd(4, x + k * 16, stride * 4);
			_tile_loadd(6, w + c * tile + k * deeper, 64);
			_tile_loadd(7, w + (c + 1) * tile + k * deeper, 64);
			_tile_dpbf16ps(0, 4, 6);
			_tile_dpbf16ps(1, 4, 7);
		}
		_tile_stored(0, y + c * 16, width * 4);
		_tile_stored(1, y + c * 16 + 16, width * 4);
	}
}
#endif

// softmax turns a row of scores, in powers of two, into weights whose sum it returns. What is behind tokens gets none.
KERNEL static float softmax(float *scores, uint16_t *weights, int tokens, int width) {
	__mmask16 last = (__mmask16)(0xffff >> (15 & -tokens));
	int whole = (tokens - 1) & ~15;
	__m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
	for (int i = 0; i < whole; i += 16)
		most = _mm512_max_ps(most, _mm512_loadu_ps(scores + i));
	most = _mm512_mask_max_ps(most, last, most, _mm512_maskz_loadu_ps(last, scores + whole));
	most = _mm512_set1_ps(_mm512_reduce_max_ps(most));
	for (int i = 0; i < width; i += 16) {
		__mmask16 in = i < whole ? 0xffff : i == whole ? last : 0;
		__m512 x = _mm512_maskz_sub_ps(in, _mm512_loadu_ps(scores + i), most);
		x = _mm512_maskz_mov_ps(in, power_of_two(_mm512_max_ps(x, _mm512_set1_ps(-126))));
		sum = _mm512_add_ps(sum, x);
		_mm256_storeu_si256((void *)(weights + i), (__m256i)_mm512_cvtneps_pbh(x));
	}
	return _mm512_reduce_add_ps(sum);
}

// attend gives the attention of at most 16 rows, from which they ask, over all tokens.
KERNEL static void attend(const shape *s, workspace *w, int from, int count, int tokens, float *seen) {
	int h = s->hidden, d = h / s->heads, width = padded(tokens), tiles = width / 16;
	float output[16 * 64] __attribute__((aligned(64))), sums[16];
	for (int head = 0; head < s->heads; head++) {
		const uint32_t *query = (const uint32_t *)(w->query + (size_t)from * h + head * d);
		const uint32_t *key = w->key + (size_t)head * tiles * (d / 2) * 16, *value = w->value + (size_t)head * tiles * (d / 2) * 16;
#if TILES
		if (s->amx)
			products16_tiles(query, h / 2, d / 32, key, (size_t)d / 2 * 16, 256, tiles, w->scores, width);
		else
#endif
			products16(query, h / 2, d / 32, key, (size_t)d / 2 * 16, 256, tiles, w->scores, width);
		for (int r = 0; r < count; r++)
			sums[r] = softmax(w->scores + (size_t)r * width, w->weights + (size_t)r * width, tokens, width);
#if TILES
		if (s->amx)
			products16_tiles((const uint32_t *)w->weights, width / 2, width / 32, value, 256, (size_t)d * 16, d / 16, output, d);
		else
#endif
			products16((const uint32_t *)w->weights, width / 2, width / 32, value, 256, (size_t)d * 16, d / 16, output, d);
		for (int r = 0; r < count; r++) {
			__m512 scale = _mm512_set1_ps(1 / sums[r]);
			for (int i = 0; i < d; i += 16)
				_mm512_storeu_ps(seen + (size_t)r * h + head * d + i, _mm512_mul_ps(_mm512_loadu_ps(output + r * d + i), scale));
		}
	}
}

#endif
