// Package bert runs the 8-bit BERT encoders that models/build writes with kernels of its own, on x86-64 processors with
// AVX-512 VNNI and BF16, and with AMX where the processor has it. Elsewhere, and for any other graph, internal/onnx
// runs them; both take the same file and give nearly the same numbers.
//
// A layer is one call into C that keeps a few tokens' values in the cache from the first product to the last norm:
//
//	x -> quantise -> query, key, value -> attention (bf16) -> quantise -> output -> + x, norm
//	  -> quantise -> up -> GELU -> quantise -> down -> + , norm -> x
//
// What a product reads is quantised with steps of each token's own, where ONNX Runtime's operator has one for all tokens; so
// this is a little nearer to the 32-bit model, and a token's numbers don't depend on how large another one's are.
// docs/performance.md has the figures.
package bert

import "errors"

// Kernels names what a processor runs products with.
type Kernels string

// The kernels, slower ones first.
const (
	VNNI Kernels = "avx512-vnni" // 64 8-bit products an instruction
	AMX  Kernels = "amx"         // 16,384, in tiles
)

var (
	// ErrUnsuited says that a graph or a processor is not one that this package runs.
	ErrUnsuited = errors.New("not for redkite's own kernels")
	// ErrClosed says that an encoder was closed before a run began.
	ErrClosed = errors.New("the encoder is closed")
)
