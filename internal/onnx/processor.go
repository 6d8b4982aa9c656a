package onnx

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// Saturates reports whether this processor's fast 8-bit products can overflow: x86-64 without VNNI instructions adds two
// 16-bit products of unsigned activations and signed weights with saturation, and is then silently wrong. Sessions have
// ONNX Runtime rewrite weights to unsigned there, which is exact and slower
// (onnxruntime_session_options_config_keys.h, session.x64quantprecision).
func Saturates() bool {
	return runtime.GOARCH == "amd64" && !cpu.X86.HasAVX512VNNI && !cpu.X86.HasAVXVNNI
}
