package parse

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// containerType names the type of a container by its first bytes, or gives "". Writers put parts in any order, so the
// beginning may only tell that it is one of Office: then TypeOffice, and the container's own list decides.
func containerType(found *mimetype.MIME, head []byte) string {
	switch {
	case found.Is(TypeDOCX), found.Is(TypePPTX), found.Is(TypeXLSX), found.Is(TypeEPUB):
		return strings.TrimSpace(found.String())
	case found.Is(TypeOLE), found.Is("application/msword"), found.Is("application/vnd.ms-excel"), found.Is("application/vnd.ms-powerpoint"):
		return TypeOLE
	case !bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return ""
	}
	kind := ""
	for _, name := range entryNames(head) {
		folder, _, inside := strings.Cut(name, "/")
		inside = inside && (kind != "" || strings.HasSuffix(name, ".xml") || strings.HasSuffix(name, ".rels"))
		switch {
		case inside && folder == "word":
			return TypeDOCX
		case inside && folder == "ppt":
			return TypePPTX
		case inside && folder == "xl":
			return TypeXLSX
		case name == "meta-inf/container.xml":
			return TypeEPUB
		case name == "[content_types].xml", name == "_rels/.rels", inside && (folder == "docprops" || folder == "customxml"):
			kind = TypeOffice
		}
	}
	return kind
}

// entryNames gives the names of the entries that a ZIP begins with, as far as each says where it ends.
func entryNames(head []byte) []string {
	const fixed = 30
	var names []string
	for len(head) >= fixed && bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		packed := int64(binary.LittleEndian.Uint32(head[18:]))
		name, extra := int64(binary.LittleEndian.Uint16(head[26:])), int64(binary.LittleEndian.Uint16(head[28:]))
		if fixed+name > int64(len(head)) {
			break
		}
		names = append(names, partName(string(head[fixed:fixed+name])))
		streamed := head[6]&8 != 0 // its size comes after it
		if end := fixed + name + extra + packed; !streamed && end < int64(len(head)) {
			head = head[end:]
			continue
		}
		next := bytes.Index(head[fixed+name:], []byte("PK\x03\x04"))
		if !streamed || next < 0 {
			break
		}
		head = head[fixed+int(name)+next:]
	}
	return names
}
