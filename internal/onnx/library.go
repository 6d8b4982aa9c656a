package onnx

import (
	"debug/elf"
	"fmt"
	"os"
	"runtime"
)

// checkLibrary reports what of a shared library the dynamic loader would not survive or would not explain: on Linux a
// file that is none, is for another machine, or is cut short (which is mapped, and ends in SIGBUS).
func checkLibrary(path string) error {
	if runtime.GOOS != "linux" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("it is no shared library: %w", err)
	}
	defer file.Close()
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	if want, known := machines[runtime.GOARCH]; known && file.Machine != want {
		return fmt.Errorf("it is for another machine: %v", file.Machine)
	}
	for _, part := range file.Progs {
		if part.Type == elf.PT_LOAD && part.Off+part.Filesz > uint64(info.Size()) {
			return fmt.Errorf("it is cut short: %d bytes, and %d are wanted", info.Size(), part.Off+part.Filesz)
		}
	}
	return nil
}
