#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel_attention.h"
#include "kernel_products.h"
#include "kernel_rows.h"

// From the kernel's arch/x86/include/uapi/asm/prctl.h: state of tiles has to be asked for.
enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };

int bert_amx_permitted(void) { return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0; }

static void *lines(size_t bytes) { return aligned_alloc(64, (bytes + 63) & ~(size_t)63); }

int bert_pack(product *p, const int8_t *weight) {
	p->weight = lines((size_t)p->inputs * p->outputs);
	p->zero = lines(p->outputs * sizeof *p->zero);
	if (!p->weight || !p->zero)
		return 0;
	for (int o = 0; o < p->outputs; o++) {
		int32_t sum = 0;
		for (int i = 0; i < p->inputs; i++) {
			int8_t w = weight[(size_t)i * p->outputs + o];
			p->weight[((size_t)(o / 16) * (p->inputs / 4) + i / 4) * 64 + o % 16 * 4 + i % 4] = w;
			sum += w;
		}
		p->zero[o] = p->scale[o] * sum;
	}
	return 1;
}

void bert_unpack(product *p) {
	free(p->weight);
	free(p->zero);
}

int bert_workspace(workspace *w, const shape *s, int most) {
	size_t tokens = (most + 31) & ~31, hidden = s->hidden;
	size_t wide = s->wide > 2 * s->hidden ? s->wide : 2 * s->hidden;
	*w = (workspace){
		.x = lines(tokens * hidden * 4), .query = lines(tokens * hidden * 2), .key = lines(tokens * hidden * 2),
		.value = lines(tokens * hidden * 2), .rows = lines(ROWS * wide * 4), .seen = lines(ROWS * hidden * 4),
		.quantised = lines(ROWS * wide), .scores = lines(16 * tokens * 4), .weights = lines(16 * tokens * 2),
	};
	if (!w->x || !w->query || !w->key || !w->value || !w->rows || !w->seen || !w->quantised || !w->scores || !w->weights) {
		bert_free(w);
		return 0;
	}
	// Tiles read whole rows of 16: what lies behind a text's last token is never used, but has to be numbers.
	memset(w->query, 0, tokens * hidden * 2);
	memset(w->quantised, 0, ROWS * wide);
	return 1;
}

void bert_free(workspace *w) {
	free(w->x), free(w->query), free(w->key), free(w->value), free(w->rows);
	free(w->seen), free(w->quantised), free(w->scores), free(w->weights);
}

KERNEL void bert_embed(const shape *s, workspace *w, const int8_t *words, const float *scales, const float *types, const float *positions,
	norm n, const int64_t *ids, const int64_t *type_ids, int tokens) {
	int h = s->hidden;
	for (int t = 0; t < tokens; t++) {
		float *x = w->x + (size_t)t * h;
		const int8_t *word = words + ids[t] * h;
		__m512 scale = _mm512_set1_ps(scales[ids[t]]);
		for (int i = 0; i < h; i += 16) {
			__m512 v = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)(word + i))));
			v = _mm512_mul_ps(v, scale);
			if (types)
				v = _mm512_add_ps(v, _mm512_loadu_ps(types + type_ids[t] * h + i));
			_mm512_storeu_ps(x + i, _mm512_add_ps(v, _mm512_loadu_ps(positions + (size_t)t * h + i)));
		}
		normalise(x, h, n);
	}
}

// keys_and_values puts rows of [key, value] in the order that attention reads.
KERNEL static void keys_and_values(const shape *s, workspace *w, const float *rows, int from, int count, int tokens) {
	int h = s->hidden, d = h / s->heads, tiles = padded(tokens) / 16;
	const __m512i by_turns = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
	const __m512i column = _mm512_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240);
	for (int r = 0; r < count; r++)
		for (int head = 0; head < s->heads; head++) {
			const float *k = rows + (size_t)r * 2 * h + head * d;
			uint32_t *to = w->key + ((size_t)head * tiles + (from + r) / 16) * (d / 2) * 16 + (from + r) % 16;
			for (int i = 0; i < d; i += 32) {
				__m512i pairs = (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(k + i + 16), _mm512_loadu_ps(k + i));
				_mm512_i32scatter_epi32(to + i / 2 * 16, column, pairs, 4);
			}
		}
	for (int r = 0; r < count; r += 2)
		for (int head = 0; head < s->heads; head++) {
			const float *v = rows + (size_t)r * 2 * h + h + head * d, *next = v + 2 * h;
			int key = from + r;
			uint32_t *to = w->value + (((size_t)head * (tiles / 2) + key / 32) * (d / 16) * 16 + key % 32 / 2) * 16;
			for (int i = 0; i < d; i += 16) {
				__m512 second = r + 1 < count ? _mm512_loadu_ps(next + i) : _mm512_setzero_ps();
				__m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, _mm512_loadu_ps(v + i));
				_mm512_storeu_si512(to + (size_t)i * 16, _mm512_permutexvar_epi16(by_turns, both));
			}
		}
}

// ask makes queries, keys and values of a text's tokens.
KERNEL static void ask(const shape *s, const layer *l, workspace *w, int tokens) {
	int h = s->hidden, d = h / s->heads, tiles = padded(tokens) / 16;
	__m512 scale = _mm512_set1_ps(1.44269504f / sqrtf(d)); // the scores' own, and that of e in powers of two
	for (int head = 0; head < s->heads; head++) // keys behind the last one weigh nothing, and must not be what is no number
		memset(w->value + ((size_t)head * (tiles / 2) + tiles / 2 - 1) * d * 16, 0, d * 16 * 4);
	for (int from = 0; from < tokens; from += ROWS) {
		int count = tokens - from < ROWS ? tokens - from : ROWS;
		const float *x = w->x + (size_t)from * h;
		quantise(w, &l->key_value, x, h, count);
		multiply(s, w, &l->key_value, count, w->rows, 0);
		keys_and_values(s, w, w->rows, from, count, tokens);
		if (l->first_only && from > 0)
			continue;
		int asking = l->first_only ? 1 : count;
		if (l->query.smooth != l->key_value.smooth) // else it reads the same
			quantise(w, &l->query, x, h, asking);
		multiply(s, w, &l->query, asking, w->rows, 0);
		for (size_t i = 0; i < (size_t)asking * h; i += 32) {
			__m512 a = _mm512_mul_ps(_mm512_loadu_ps(w->rows + i), scale), b = _mm512_mul_ps(_mm512_loadu_ps(w->rows + i + 16), scale);
			_mm512_storeu_si512(w->query + (size_t)from * h + i, (__m512i)_mm512_cvtne2ps_pbh(b, a));
		}
	}
}

// feed takes count rows from what attention gave them to the layer's output.
KERNEL static void feed(const shape *s, const layer *l, workspace *w, int from, int count) {
	int h = s->hidden;
	float *x = w->x + (size_t)from * h;
	quantise(w, &l->output, w->seen, h, count);
	multiply(s, w, &l->output, count, w->rows, 0);
	for (int r = 0; r < count; r++)
		add_and_normalise(x + (size_t)r * h, w->rows + (size_t)r * h, h, l->attention_norm);
	quantise(w, &l->up, x, h, count);
	multiply(s, w, &l->up, count, w->rows, 1);
	quantise(w, &l->down, w->rows, s->wide, count);
	multiply(s, w, &l->down, count, w->rows, 0);
	for (int r = 0; r < count; r++)
		add_and_normalise(x + (size_t)r * h, w->rows + (size_t)r * h, h, l->last_norm);
}

static void run_layer(const shape *s, const layer *l, workspace *w, int tokens) {
	tiles_begin(s);
	ask(s, l, w, tokens);
	int asking = l->first_only ? 1 : tokens;
	for (int from = 0; from < asking; from += ROWS) {
		int count = asking - from < ROWS ? asking - from : ROWS;
		for (int r = 0; r < count; r += 16)
			attend(s, w, from + r, count - r < 16 ? count - r : 16, tokens, w->seen + (size_t)r * s->hidden);
		feed(s, l, w, from, count);
	}
	tiles_end(s);
}

int bert_layers(const shape *s, const layer *l, int count, workspace *w, int tokens) {
	int done = 0;
	while (done < count && !__atomic_load_n(&w->stop, __ATOMIC_RELAXED))
		run_layer(s, &l[done++], w, tokens);
	return done;
}

KERNEL void bert_linear(const float *x, const float *weight, const float *bias, int inputs, int outputs, float *y) {
	memcpy(y, bias, outputs * sizeof *y);
	for (int i = 0; i < inputs; i++)
		for (int o = 0; o < outputs; o++)
			y[o] += x[i] * weight[(size_t)i * outputs + o];
}
