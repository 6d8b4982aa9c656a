package app

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/rag"
)

// paths are where the parts outside the binary lie.
type paths struct {
	models      string // folder of the bundled models
	addedModels string // folder of the models that the operator added
	onnxRuntime string // ONNX Runtime's shared library
	milvusLite  string // the milvus-lite program; empty with an external Milvus
	milvusData  string // the embedded Milvus's folder
	pdfCache    string // compiled PDF engine
}

// findPaths settles the paths: what is set, else what lies in the working directory, else beside the binary.
func findPaths(s config.Settings) (paths, error) {
	p := paths{
		milvusData: filepath.Join(s.Data, "milvus"),
		pdfCache:   pdfCache(s),
	}
	var err error
	if p.models, p.addedModels, err = modelDirs(s); err != nil {
		return p, err
	}
	if p.onnxRuntime, err = findRuntime(s); err != nil {
		return p, err
	}
	if s.MilvusAddress == "" {
		p.milvusLite, err = findLite(s)
	}
	return p, err
}

// pdfCache gives the folder of the compiled PDF engine.
func pdfCache(s config.Settings) string { return filepath.Join(s.Data, "cache", "pdf") }

// modelDirs gives the folders of the bundled models and of those that the operator added.
func modelDirs(s config.Settings) (bundled, added string, err error) {
	added = filepath.Join(s.Data, "models")
	if s.Models != "" {
		bundled, err = find("models", s.Models)
		return bundled, added, err
	}
	manifest, err := find("models", "", "models/manifest.yaml")
	return filepath.Dir(manifest), added, err
}

// findRuntime gives ONNX Runtime's shared library.
func findRuntime(s config.Settings) (string, error) {
	library := "libonnxruntime.so"
	if runtime.GOOS == "darwin" {
		library = "libonnxruntime.dylib"
	}
	return find("onnxruntime-library", s.ONNXRuntimeLibrary, ".deps/lib/"+library, "lib/"+library)
}

// findLite gives the milvus-lite program.
func findLite(s config.Settings) (string, error) {
	path, err := find("milvus-lite-command", s.MilvusLiteCommand, ".deps/milvus-lite/bin/milvus-lite")
	if err != nil && s.MilvusLiteCommand == "" {
		if onPath, lookErr := exec.LookPath("milvus-lite"); lookErr == nil {
			return onPath, nil
		}
	}
	return path, err
}

// find gives the set path, or the first of the relative ones that exists below the working directory, the binary's
// folder or the folder above it. setting is the name that the error tells the user to set.
func find(setting, set string, relative ...string) (string, error) {
	if set != "" {
		if _, err := os.Stat(set); err != nil {
			return "", missing(fmt.Sprintf("setting %s: %s does not exist; correct it or leave it out", setting, set), err)
		}
		return set, nil
	}
	bases := []string{"."}
	if binary, err := os.Executable(); err == nil {
		bases = append(bases, filepath.Dir(binary), filepath.Dir(filepath.Dir(binary)))
	}
	for _, base := range bases {
		for _, name := range relative {
			path := filepath.Join(base, name)
			if _, err := os.Stat(path); err == nil {
				return filepath.Abs(path)
			}
		}
	}
	return "", missing(fmt.Sprintf("%s was not found; run 'make deps' in redkite's folder, or set --%s", relative[0], setting), nil)
}

func missing(message string, err error) error {
	return &rag.Problem{Kind: rag.ErrNotFound, Code: "not_installed", Message: message, Err: err}
}
