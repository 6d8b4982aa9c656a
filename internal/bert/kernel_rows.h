// What is done to rows of 32-bit numbers between products.
#ifndef REDKITE_BERT_ROWS_H
#define REDKITE_BERT_ROWS_H

#include <immintrin.h>

#include "kernel.h"

#define KERNEL __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,fma")))

// EPSILON is BERT's, in layer norms.
#define EPSILON 1e-12f

// padded is the number of tokens rounded up to what attention takes at once.
static inline int padded(int tokens) { return (tokens + 31) & ~31; }

KERNEL static void normalise(float *x, int n, norm with) {
	__m512 sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
	for (int i = 0; i < n; i += 16)
		sum = _mm512_add_ps(sum, _mm512_loadu_ps(x + i));
	__m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / n);
	for (int i = 0; i < n; i += 16) {
		__m512 d = _mm512_sub_ps(_mm512_loadu_ps(x + i), mean);
		squares = _mm512_fmadd_ps(d, d, squares);
	}
	__m512 scale = _mm512_div_ps(_mm512_set1_ps(1), _mm512_sqrt_ps(_mm512_set1_ps(_mm512_reduce_add_ps(squares) / n + EPSILON)));
	for (int i = 0; i < n; i += 16) {
		__m512 d = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + i), mean), scale);
		_mm512_storeu_ps(x + i, _mm512_fmadd_ps(d, _mm512_loadu_ps(with.weight + i), _mm512_loadu_ps(with.bias + i)));
	}
}

KERNEL static void add_and_normalise(float *x, const float *y, int n, norm with) {
	for (int i = 0; i < n; i += 16)
		_mm512_storeu_ps(x + i, _mm512_add_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i)));
	normalise(x, n, with);
}

// power_of_two is 2^x to 5e-5 of it. x is at least -126.
KERNEL static inline __m512 power_of_two(__m512 x) {
	__m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), f = _mm512_sub_ps(x, whole);
	__m512 p = _mm512_fmadd_ps(f, _mm512_set1_ps(0.0096181f), _mm512_set1_ps(0.0555041f)); // Taylor, ln(2)^n / n!
	p = _mm512_fmadd_ps(f, p, _mm512_set1_ps(0.2402265f));
	p = _mm512_fmadd_ps(f, p, _mm512_set1_ps(0.6931472f));
	return _mm512_scalef_ps(_mm512_fmadd_ps(f, p, _mm512_set1_ps(1)), whole);
}

// gelu is x * (1 + erf(x / sqrt(2))) / 2. erf is that of Abramowitz and Stegun, 7.1.25, to 2.5e-5.
KERNEL static inline __m512 gelu(__m512 x) {
	const __m512 sign = _mm512_set1_ps(-0.0f), one = _mm512_set1_ps(1);
	__m512 z = _mm512_min_ps(_mm512_andnot_ps(sign, _mm512_mul_ps(x, _mm512_set1_ps(0.70710678f))), _mm512_set1_ps(9));
	__m512 t = _mm512_fmadd_ps(z, _mm512_set1_ps(0.47047f), one), r = _mm512_rcp14_ps(t);
	t = _mm512_mul_ps(r, _mm512_fnmadd_ps(t, r, _mm512_set1_ps(2))); // one step of Newton's
	__m512 p = _mm512_fmadd_ps(t, _mm512_set1_ps(0.7478556f), _mm512_set1_ps(-0.0958798f));
	p = _mm512_mul_ps(t, _mm512_fmadd_ps(t, p, _mm512_set1_ps(0.3480242f)));
	__m512 e = power_of_two(_mm512_mul_ps(_mm512_mul_ps(z, z), _mm512_set1_ps(-1.44269504f)));
	__m512 erf = _mm512_or_ps(_mm512_fnmadd_ps(p, e, one), _mm512_and_ps(x, sign)); // that of z is not negative
	__m512 middle = _mm512_mul_ps(x, _mm512_set1_ps(0.5f));
	return _mm512_fmadd_ps(middle, erf, middle);
}

// quantise makes count rows what the product reads. A row's step is taken from its least and its greatest number,
// and 0 has a value of its own; zeros are that value times the step.
KERNEL static void quantise(workspace *w, const product *p, const float *x, int stride, int count) {
	int n = p->inputs;
	uint8_t *to = w->quantised;
	for (int r = 0; r < count; r++, x += stride, to += n) {
		__m512 least = _mm512_setzero_ps(), greatest = least;
		for (int i = 0; i < n; i += 16) {
			__m512 v = _mm512_loadu_ps(x + i);
			if (p->smooth)
				v = _mm512_mul_ps(v, _mm512_loadu_ps(p->smooth + i));
			least = _mm512_min_ps(least, v), greatest = _mm512_max_ps(greatest, v);
		}
		float low = _mm512_reduce_min_ps(least), step = (_mm512_reduce_max_ps(greatest) - low) / 255;
		if (!(step > 0))
			step = 1;
		int32_t own = (int32_t)(-low / step + 0.5f);
		w->steps[r] = step, w->zeros[r] = own * step;
		__m512 inverse = _mm512_set1_ps(1 / step);
		__m512i zero = _mm512_set1_epi32(own);
		for (int i = 0; i < n; i += 16) {
			__m512 v = _mm512_loadu_ps(x + i);
			if (p->smooth)
				v = _mm512_mul_ps(v, _mm512_loadu_ps(p->smooth + i));
			__m512i q = _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(v, inverse)), zero);
			_mm_storeu_si128((void *)(to + i), _mm512_cvtusepi32_epi8(_mm512_max_epi32(q, _mm512_setzero_si512())));
		}
	}
}

#endif
