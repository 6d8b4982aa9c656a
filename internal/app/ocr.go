package app

import (
	"context"

	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/parse"
	"github.com/redkite/redkite/internal/tesseract"
)

// newRecognizer gives what reads the pages that are pictures, or nil where nothing does.
func newRecognizer(s config.Settings) parse.Recognizer {
	if s.OCR != "tesseract" {
		return nil
	}
	return newTesseract(s)
}

func newTesseract(s config.Settings) *tesseract.Tesseract {
	return tesseract.New(tesseract.Config{Command: s.OCRCommand, Language: s.OCRLanguage, Timeout: s.OCRPageTimeout})
}

func checkOCR(ctx context.Context, s config.Settings) (string, error) {
	if s.OCR != "tesseract" {
		return "off", nil
	}
	return newTesseract(s).Check(ctx)
}
