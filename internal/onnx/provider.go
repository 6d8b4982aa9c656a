//go:build cgo

package onnx

import (
	"fmt"
	"runtime"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/redkite/redkite/internal/rag"
)

// provide has a session run on an execution provider. ONNX Runtime's libraries differ in which they hold; one that is not
// there gives a rag.Problem.
func provide(options *ort.SessionOptions, provider, libraryPath string) error {
	var err error
	switch provider {
	case "", CPU:
		return nil
	case CUDA:
		err = cuda(options)
	case OpenVINO:
		err = options.AppendExecutionProviderOpenVINO(map[string]string{"device_type": "CPU"})
	case CoreML:
		err = options.AppendExecutionProviderCoreMLV2(map[string]string{"ModelFormat": "MLProgram"})
	case DirectML:
		if runtime.GOOS != "windows" {
			err = fmt.Errorf("DirectML is a part of Windows")
			break
		}
		err = options.AppendExecutionProviderDirectML(0)
	default:
		return rag.Invalid("", "there is no execution provider %q; there are cpu, cuda, openvino, coreml and directml", provider)
	}
	if err != nil {
		return &rag.Problem{
			Kind: rag.ErrUnsupported, Code: "execution_provider_missing", Err: err,
			Message: fmt.Sprintf("the execution provider %s can't be used with ONNX Runtime's library at %s: %v; set REDKITE_ONNXRUNTIME_LIBRARY to a build that has it, or REDKITE_EXECUTION_PROVIDER=cpu",
				provider, libraryPath, err),
		}
	}
	return nil
}

func cuda(options *ort.SessionOptions) error {
	cudaOptions, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	defer cudaOptions.Destroy()
	return options.AppendExecutionProviderCUDA(cudaOptions)
}
