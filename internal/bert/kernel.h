// The arithmetic of BERT encoders with 8-bit weights, for x86-64 with AVX-512 (VNNI, BF16), and AMX where it is there.
// bert.go says what an encoder computes; here it is cut into few calls, each of which looks once a layer whether it
// is to stop.
#ifndef REDKITE_BERT_KERNEL_H
#define REDKITE_BERT_KERNEL_H

#include <stdint.h>

enum { ROWS = 96 }; // tokens that go through a layer's feed-forward part together, so that their values stay in the cache

// product is y = x @ weight + bias. x is quantised row by row as x is read: u8 = x * smooth / step + zero.
typedef struct {
	int inputs, outputs;  // multiples of 64
	int8_t *weight;       // panels of 16 columns: [outputs / 16][inputs / 4][16][4]
	const float *scale;   // of each column
	const float *bias;
	float *zero;          // scale times the sum of each column's weights: what a zero point has to take back
	const float *smooth;  // a factor for each input, or NULL
} product;

typedef struct {
	const float *weight, *bias;
} norm;

typedef struct {
	product query, key_value, output, up, down;
	norm attention_norm, last_norm;
	int first_only; // nothing but the first token's row is computed: the layer is the last one, and only that is read
} layer;

typedef struct {
	int hidden, heads, wide; // wide: of the feed-forward part
	int amx;                 // 8-bit and 16-bit products by tiles
} shape;

// workspace is what one run at a time writes. Sizes are for most tokens, rounded up to 32.
typedef struct {
	float *x;          // [most][hidden], a layer's input and output
	uint16_t *query;   // [most][hidden], bf16
	uint32_t *key;     // [heads][most / 16][head / 2][16] pairs of bf16
	uint32_t *value;   // [heads][most / 32][head / 16][16][16] pairs of bf16
	float *rows;       // [ROWS][wide or 2 * hidden]
	float *seen;       // [ROWS][hidden], what attention gives
	uint8_t *quantised; // [ROWS][wide], what a product reads
	float steps[ROWS];  // of those rows
	float zeros[ROWS];  // zero points times steps
	float *scores;     // [16][most]
	uint16_t *weights; // [16][most], bf16
	int stop;          // set by another thread
} workspace;

int bert_amx_permitted(void); // asks the kernel to let this process use tiles; 0 where it refuses or is too old to know
int bert_pack(product *p, const int8_t *weight); // weight is [inputs][outputs]; 0 where there is no memory
void bert_unpack(product *p);
int bert_workspace(workspace *w, const shape *s, int most); // 0 where there is no memory
void bert_free(workspace *w);

// The first of a text's layers reads what bert_embed writes to w->x: word rows (8-bit, a scale each), plus a row of
// types by type ids where types is not NULL, plus positions; normed.
void bert_embed(const shape *s, workspace *w, const int8_t *words, const float *scales, const float *types, const float *positions, norm n,
	const int64_t *ids, const int64_t *type_ids, int tokens);
// bert_layers runs layers one after the other, and gives how many it ran: fewer where w->stop was set meanwhile.
int bert_layers(const shape *s, const layer *l, int count, workspace *w, int tokens);

// bert_linear is y = x @ weight + bias for one row of 32-bit numbers.
void bert_linear(const float *x, const float *weight, const float *bias, int inputs, int outputs, float *y);

#endif
