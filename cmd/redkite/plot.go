package main

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// savePlot writes a plot. The file's ending names the format: .svg, .png or .pdf.
func savePlot(p *plot.Plot, width, height vg.Length, path string) error {
	if filepath.Ext(path) != ".svg" {
		return p.Save(width, height, path)
	}
	writer, err := p.WriterTo(width, height, "svg")
	if err != nil {
		return err
	}
	var raw bytes.Buffer
	if _, err := writer.WriteTo(&raw); err != nil {
		return err
	}
	return os.WriteFile(path, fitted(raw.Bytes()), 0o644)
}

// fitted says of each text of an SVG file how wide it is to be. Texts are placed by the widths of the plot's own font,
// which viewers seldom have: with a wider one in its place they would run into what stands after them.
func fitted(svg []byte) []byte {
	text := regexp.MustCompile(`font-family:([^;"]+);([^"]*font-size:([0-9.]+)px)">([^<]+)</text>`)
	return text.ReplaceAllFunc(svg, func(found []byte) []byte {
		part := text.FindSubmatch(found)
		size, err := strconv.ParseFloat(string(part[3]), 64)
		if err != nil {
			return found
		}
		face := font.DefaultCache.Lookup(plot.DefaultFont, vg.Points(size))
		width := face.Width(html.UnescapeString(string(part[4])))
		return fmt.Appendf(nil, `font-family:'%s','Times New Roman',Times,serif;%s" textLength="%.5g" lengthAdjust="spacingAndGlyphs">%s</text>`,
			part[1], part[2], width.Points(), part[4])
	})
}
