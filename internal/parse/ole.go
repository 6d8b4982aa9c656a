package parse

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"

	"github.com/redkite/redkite/internal/rag"
)

// oleFormat recognises the files of Office before 2007, and those of today that a password protects: both are OLE
// containers. None is read; each is refused with a message that says what to do.
type oleFormat struct{}

// Parse looks at the names of the container's streams.
func (oleFormat) Parse(ctx context.Context, o rag.Original, _ *builder) error {
	names, err := oleStreams(ctx, o)
	if err != nil {
		return unreadable(o.MediaType, err)
	}
	switch {
	case names["EncryptedPackage"] || names["EncryptionInfo"]:
		return passwordProtected()
	case names["WordDocument"]:
		return saveAs("documents of Word before 2007 (.doc)", ".docx")
	case names["Workbook"] || names["Book"]:
		return saveAs("workbooks of Excel before 2007 (.xls)", ".xlsx")
	case names["PowerPoint Document"]:
		return saveAs("presentations of PowerPoint before 2007 (.ppt)", ".pptx")
	}
	return &rag.Problem{Kind: rag.ErrUnsupported, Code: "unsupported", Message: "the file is an OLE container of a kind that can't be read; save it as PDF, .docx, .xlsx or .pptx"}
}

const (
	oleHeader   = 512
	oleEntry    = 128
	mostSectors = 4096 // sectors of the directory
)

// oleStreams gives the names in the container's directory.
func oleStreams(ctx context.Context, o rag.Original) (map[string]bool, error) {
	file := &seekingReaderAt{r: o, left: 64 << 20}
	header := make([]byte, oleHeader)
	if _, err := file.ReadAt(header, 0); err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	shift := binary.LittleEndian.Uint16(header[30:])
	if shift != 9 && shift != 12 {
		return nil, fmt.Errorf("sectors of 2^%d bytes", shift)
	}
	size := int64(1) << shift
	names := map[string]bool{}
	sector := binary.LittleEndian.Uint32(header[48:])
	content := make([]byte, size)
	for range mostSectors {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if _, err := file.ReadAt(content, (int64(sector)+1)*size); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read directory: %w", err)
		}
		for at := 0; at < len(content); at += oleEntry {
			names[oleName(content[at:at+oleEntry])] = true
		}
		next, err := oleNext(file, header, sector, size)
		if err != nil || next >= 0xFFFFFFFA { // the chain's end
			break
		}
		sector = next
	}
	return names, nil
}

// oleName gives the name of an entry of the directory.
func oleName(entry []byte) string {
	n := int(binary.LittleEndian.Uint16(entry[64:]))/2 - 1
	if n < 1 || n > 31 {
		return ""
	}
	units := make([]uint16, n)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(entry[2*i:])
	}
	return string(utf16.Decode(units))
}

// oleNext gives the sector that follows another, by the table of those. Only the part of the table that the header lists
// is read: of files up to 7 MB, and of the directory's beginning in others.
func oleNext(file io.ReaderAt, header []byte, sector uint32, size int64) (uint32, error) {
	perSector := uint32(size / 4)
	i := sector / perSector
	if i >= 109 {
		return 0, errors.New("beyond the header's list")
	}
	table := binary.LittleEndian.Uint32(header[76+4*i:])
	next := make([]byte, 4)
	if _, err := file.ReadAt(next, (int64(table)+1)*size+int64(sector%perSector)*4); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(next), nil
}
