// Products of 8-bit numbers: rows of a text by the columns of a weight.
#ifndef REDKITE_BERT_PRODUCTS_H
#define REDKITE_BERT_PRODUCTS_H

#include <string.h>

#include "kernel_rows.h"

#if (defined(__clang__) && __clang_major__ >= 12) || (!defined(__clang__) && __GNUC__ >= 11)
#define TILES 1
#define TILE_KERNEL __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,fma,amx-tile,amx-int8,amx-bf16")))
#else
#define TILES 0
#define TILE_KERNEL KERNEL
#endif

// SETTLED makes the compiler have written what tile instructions read: gcc does not tell it that they do.
#define SETTLED() __asm__ volatile("" ::: "memory")

// tiles_begin sets all eight tiles to 16 rows of 64 bytes, for the thread and until tiles_end.
TILE_KERNEL static void tiles_begin(const shape *s) {
#if TILES
	struct {
		uint8_t palette, start, reserved[14];
		uint16_t width[16];
		uint8_t height[16];
	} all = {.palette = 1};
	for (int i = 0; i < 8; i++)
		all.width[i] = 64, all.height[i] = 16;
	if (s->amx) {
		__asm__ volatile("" ::"r"(&all) : "memory");
		_tile_loadconfig(&all);
	}
#endif
}

TILE_KERNEL static void tiles_end(const shape *s) {
#if TILES
	if (s->amx)
		_tile_release();
#endif
}

// rows_in are quantised rows and what a product makes of them.
typedef struct {
	const product *p;
	const uint8_t *x;
	const float *steps;
	const float *zeros; // zero points times steps
	int count; // at most ROWS
	float *y;  // [count][outputs]
	int gelu;  // gives that of the product
} multiplication;

// columns16 is what turns sums of 16 columns into numbers.
typedef struct {
	__m512 scale, bias, zero; // zero: what a zero point of 1, of steps of 1, adds
} columns16;

KERNEL static inline columns16 columns(const product *p, int at) {
	return (columns16){_mm512_loadu_ps(p->scale + at), _mm512_loadu_ps(p->bias + at), _mm512_loadu_ps(p->zero + at)};
}

// finish writes 16 columns of a row. 32-bit floats hold the sums to a few millionths of the largest.
KERNEL static inline void finish(const multiplication *m, columns16 c, __m512i sums, int row, int column) {
	__m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(m->steps[row]));
	y = _mm512_fmadd_ps(y, c.scale, _mm512_fnmadd_ps(_mm512_set1_ps(m->zeros[row]), c.zero, c.bias));
	_mm512_storeu_ps(m->y + (size_t)row * m->p->outputs + column, m->gelu ? gelu(y) : y);
}

#if TILES
// multiply_tiles gives 32 columns of at most 32 rows.
TILE_KERNEL static inline void multiply_tiles(const multiplication *m, int row, int column) {
	int32_t sums[4][16][16] __attribute__((aligned(64)));
	int n = m->p->inputs, rows = m->count - row < 32 ? m->count - row : 32, both = rows > 16;
	const int8_t *left = m->p->weight + (size_t)column * n, *right = left + (size_t)16 * n;
	const uint8_t *upper = m->x + (size_t)row * n, *lower = both ? upper + (size_t)16 * n : upper;
	_tile_zero(0);
	_tile_zero(1);
	_tile_zero(2);
	_tile_zero(3);
	for (int i = 0; i < n; i += 64) {
		_tile_loadd(4, upper + i, n);
		_tile_loadd(6, left + (size_t)i * 16, 64);
		_tile_loadd(7, right + (size_t)i * 16, 64);
		_tile_dpbusd(0, 4, 6);
		_tile_dpbusd(1, 4, 7);
		if (both) {
			_tile_loadd(5, lower + i, n);
			_tile_dpbusd(2, 5, 6);
			_tile_dpbusd(3, 5, 7);
		}
	}
	_tile_stored(0, sums[0], 64);
	_tile_stored(1, sums[1], 64);
	_tile_stored(2, sums[2], 64);
	_tile_stored(3, sums[3], 64);
	columns16 first = columns(m->p, column), second = columns(m->p, column + 16);
	for (int r = 0; r < rows; r++) {
		finish(m, first, _mm512_load_si512(sums[r / 16 * 2][r % 16]), row + r, column);
		finish(m, second, _mm512_load_si512(sums[r / 16 * 2 + 1][r % 16]), row + r, column + 16);
	}
}

TILE_KERNEL static void multiply_by_tiles(const multiplication *m) {
	SETTLED();
	for (int column = 0; column < m->p->outputs; column += 32)
		for (int row = 0; row < m->count; row += 32)
			multiply_tiles(m, row, column);
}
#endif

KERNEL static inline __m512i four(const uint8_t *x) {
	int32_t bytes;
	memcpy(&bytes, x, 4);
	return _mm512_set1_epi32(bytes);
}

// SUM_ROWS makes a function that gives sums of 64 columns, of the rows that EACH lists. The sums have names of their own and
// are no array, and are not used for anything else there: gcc would keep them in memory.
#define SUMS(r) __m512i a##r = _mm512_setzero_si512(), b##r = a##r, c##r = a##r, d##r = a##r;
#define ADD(r) \
	x4 = four(x + (size_t)r * n + i); \
	a##r = _mm512_dpbusd_epi32(a##r, x4, wa), b##r = _mm512_dpbusd_epi32(b##r, x4, wb); \
	c##r = _mm512_dpbusd_epi32(c##r, x4, wc), d##r = _mm512_dpbusd_epi32(d##r, x4, wd);
#define STORE(r) \
	_mm512_store_si512(sums[r], a##r), _mm512_store_si512(sums[r] + 16, b##r); \
	_mm512_store_si512(sums[r] + 32, c##r), _mm512_store_si512(sums[r] + 48, d##r);
#define SUM_ROWS(name, EACH) \
	KERNEL static __attribute__((noinline)) void name(const uint8_t *x, const int8_t *w, int n, int32_t sums[][64]) { \
		__m512i x4; \
		EACH(SUMS) \
		for (int i = 0; i < n; i += 4, w += 64) { \
			__m512i wa = _mm512_load_si512(w), wb = _mm512_load_si512(w + (size_t)16 * n); \
			__m512i wc = _mm512_load_si512(w + (size_t)32 * n), wd = _mm512_load_si512(w + (size_t)48 * n); \
			EACH(ADD) \
		} \
		EACH(STORE) \
	}
#define ONE(DO) DO(0)
#define TWO(DO) DO(0) DO(1)
#define SIX(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
SUM_ROWS(sum_row, ONE)
SUM_ROWS(sum_2_rows, TWO)
SUM_ROWS(sum_6_rows, SIX)

KERNEL static void multiply_by_rows(const multiplication *m) {
	int32_t sums[6][64] __attribute__((aligned(64)));
	int n = m->p->inputs;
	for (int column = 0; column < m->p->outputs; column += 64) {
		const int8_t *w = m->p->weight + (size_t)column * n;
		for (int row = 0, rows; row < m->count; row += rows) {
			const uint8_t *x = m->x + (size_t)row * n;
			if (m->count - row >= 6)
				sum_6_rows(x, w, n, sums), rows = 6;
			else if (m->count - row >= 2)
				sum_2_rows(x, w, n, sums), rows = 2;
			else
				sum_row(x, w, n, sums), rows = 1;
			for (int c = 0; c < 64; c += 16) {
				columns16 with = columns(m->p, column + c);
				for (int r = 0; r < rows; r++)
					finish(m, with, _mm512_load_si512(sums[r] + c), row + r, column + c);
			}
		}
	}
}

// multiply gives a product of count rows that were quantised for it, or the GELU of it, in y.
KERNEL static void multiply(const shape *s, const workspace *w, const product *p, int count, float *y, int gelu) {
	multiplication m = {p, w->quantised, w->steps, w->zeros, count, y, gelu};
#if TILES
	if (s->amx) {
		multiply_by_tiles(&m);
		return;
	}
#endif
	multiply_by_rows(&m);
}

#endif
