package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// visits remembers what a walk finds; most is the largest file that is taken.
type visits struct {
	taken   map[string]string
	refused map[string]string // path to code
	most    int64
	largest int64 // bytes read of one file
}

func (v *visits) Take(path string, body io.Reader) error {
	var text strings.Builder
	n, err := io.Copy(&text, io.LimitReader(body, v.most+1))
	v.largest = max(v.largest, n)
	var problem *rag.Problem
	switch {
	case errors.As(err, &problem):
		v.refused[path] = problem.Code
		return nil
	case err != nil:
		return err
	case n > v.most:
		v.refused[path] = "file_too_large"
		return nil
	}
	v.taken[path] = text.String()
	return nil
}

func (v *visits) Refuse(path string, reason *rag.Problem) error {
	v.refused[path] = reason.Code
	return nil
}

func testLimits(t *testing.T) Limits {
	return Limits{Entries: 100, Size: 64 << 20, Bytes: 64 << 20, Ratio: 100, Folder: t.TempDir()}
}

func walkOver(t *testing.T, source io.Reader, limits Limits) (*visits, error) {
	t.Helper()
	v := &visits{taken: map[string]string{}, refused: map[string]string{}, most: 32 << 20}
	err := Walk(t.Context(), source, "upload", limits, v)
	if left, dir := os.ReadDir(limits.Folder); dir != nil || len(left) > 0 {
		t.Errorf("the walk left %v, %v", left, dir)
	}
	return v, err
}

type file struct{ path, text string }

func zipOf(t *testing.T, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		entry, err := w.Create(f.path)
		if err == nil && !strings.HasSuffix(f.path, "/") {
			_, err = io.WriteString(entry, f.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarOf(t *testing.T, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		header := &tar.Header{Name: f.path, Size: int64(len(f.text)), Mode: 0o644, Typeflag: tar.TypeReg}
		if strings.HasSuffix(f.path, "/") {
			header.Typeflag = tar.TypeDir
		}
		err := w.WriteHeader(header)
		if err == nil {
			_, err = io.WriteString(w, f.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t *testing.T, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func codeOf(err error) string {
	var problem *rag.Problem
	if errors.As(err, &problem) {
		return problem.Code
	}
	return fmt.Sprint(err)
}

func TestWalk(t *testing.T) {
	inner := string(zipOf(t, file{"x.txt", "x"}))
	files := []file{
		{"a.txt", "A"}, {"sub/", ""}, {"sub/b.md", "B"}, {"./c.txt", "C"}, {`win\d.txt`, "D"}, {"inner.zip", inner},
		{".hidden", "h"}, {"sub/.git/config", "h"}, {"__MACOSX/._a.txt", "m"}, {"sub/.DS_Store", "m"},
		{"/etc/passwd", "p"}, {"../up.txt", "p"}, {"sub/../../up.txt", "p"}, {`..\up2.txt`, "p"}, {`C:\x.txt`, "p"},
		{"späte Größe/日本語.txt", "J"}, {"emoji 🪁.txt", "E"}, {"e\u0301.txt", "decomposed"}, {"\u00e9.txt", "composed"},
		{"bell\a.txt", "p"}, {strings.Repeat("long", 150) + ".txt", "p"},
	}
	taken := map[string]string{
		"a.txt": "A", "sub/b.md": "B", "c.txt": "C", "win/d.txt": "D", "inner.zip": inner,
		"späte Größe/日本語.txt": "J", "emoji 🪁.txt": "E", "e\u0301.txt": "decomposed", "\u00e9.txt": "composed",
	}
	refused := map[string]string{
		"/etc/passwd": "bad_path", "../up.txt": "bad_path", "sub/../../up.txt": "bad_path", `..\up2.txt`: "bad_path", `C:\x.txt`: "bad_path",
		"bell\uFFFD.txt": "bad_path", strings.Repeat("long", 128) + "...": "bad_path",
	}
	for name, raw := range map[string][]byte{"zip": zipOf(t, files...), "tar": tarOf(t, files...), "tar.gz": gzipped(t, tarOf(t, files...))} {
		t.Run(name, func(t *testing.T) {
			v, err := walkOver(t, iotest.OneByteReader(bytes.NewReader(raw)), testLimits(t))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(taken, v.taken); diff != "" {
				t.Errorf("taken: %s", diff)
			}
			if diff := cmp.Diff(refused, v.refused); diff != "" {
				t.Errorf("refused: %s", diff)
			}
		})
	}
}

func TestNamesOfOldZips(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range []string{"Gr\x94\xe1e.txt", "unmarked é.txt"} {
		entry, err := w.CreateHeader(&zip.FileHeader{Name: name, NonUTF8: true})
		if err == nil {
			_, err = entry.Write([]byte("x"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	v, err := walkOver(t, &b, testLimits(t))
	if diff := cmp.Diff(map[string]string{"Größe.txt": "x", "unmarked é.txt": "x"}, v.taken); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
	v, err = walkOver(t, bytes.NewReader(tarOf(t, file{"bad \xff.txt", "x"})), testLimits(t))
	if diff := cmp.Diff(map[string]string{"bad \uFFFD.txt": "bad_path"}, v.refused); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
}

func TestBombs(t *testing.T) {
	big := strings.Repeat("a", 24<<20)
	t.Run("one file", func(t *testing.T) {
		for name, raw := range map[string][]byte{"zip": zipOf(t, file{"big.txt", big}, file{"b", "b"}), "tar.gz": gzipped(t, tarOf(t, file{"big.txt", big}, file{"b", "b"}))} {
			v, err := walkOver(t, bytes.NewReader(raw), testLimits(t))
			want := map[string]string{"big.txt": "archive_bomb", "upload": "archive_bomb"}
			if diff := cmp.Diff(want, v.refused); diff != "" || err != nil || len(v.taken) > 0 || v.largest > 16<<20 {
				t.Errorf("%s: %s, %v, %d bytes read", name, diff, err, v.largest)
			}
		}
	})
	t.Run("bytes in all", func(t *testing.T) {
		limits := testLimits(t)
		limits.Bytes, limits.Ratio = 5, 1000
		for name, raw := range map[string][]byte{"zip": zipOf(t, file{"a", "1234"}, file{"b", "1234"}, file{"c", ""})} {
			v, err := walkOver(t, bytes.NewReader(raw), limits)
			want := map[string]string{"b": "archive_too_large", "upload": "archive_too_large"}
			if diff := cmp.Diff(want, v.refused); diff != "" || err != nil || len(v.taken) != 1 {
				t.Errorf("%s: %s, %v", name, diff, err)
			}
		}
	})
	t.Run("entries that overlap", func(t *testing.T) {
		v, err := walkOver(t, bytes.NewReader(overlapping(t, 90)), testLimits(t))
		if v.refused["upload"] != "archive_bomb" || err != nil {
			t.Errorf("refused %v, %v; %d taken", v.refused, err, len(v.taken))
		}
	})
	t.Run("a skipped file in a TAR", func(t *testing.T) {
		raw := gzipped(t, tarOf(t, file{".hidden", big}, file{"b", "b"}))
		v, err := walkOver(t, bytes.NewReader(raw), testLimits(t))
		if v.refused["upload"] != "archive_bomb" || err != nil || len(v.taken) > 0 {
			t.Errorf("refused %v, %v; taken %d", v.refused, err, len(v.taken))
		}
	})
	t.Run("too many", func(t *testing.T) {
		limits := testLimits(t)
		limits.Entries = 2
		files := []file{{"a", "a"}, {"b/", ""}, {".c", ""}, {"d", "d"}, {"e", "e"}}
		for name, raw := range map[string][]byte{"zip": zipOf(t, files...), "tar": tarOf(t, files...)} {
			v, err := walkOver(t, bytes.NewReader(raw), limits)
			if diff := cmp.Diff(map[string]string{"upload": "too_many_files"}, v.refused); diff != "" || err != nil || len(v.taken) != 2 {
				t.Errorf("%s: %s, %v, %v", name, diff, err, v.taken)
			}
		}
	})
	t.Run("a list of entries without end", func(t *testing.T) {
		var files []file
		for i := range 3000 {
			files = append(files, file{fmt.Sprintf("%0500d/", i) + strings.Repeat("x", 3000) + "/", ""})
		}
		_, err := walkOver(t, bytes.NewReader(zipOf(t, files...)), testLimits(t))
		if codeOf(err) != "too_many_files" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the archive itself", func(t *testing.T) {
		limits := testLimits(t)
		limits.Size = 1000
		for name, raw := range map[string][]byte{"zip": zipOf(t, file{"a", strings.Repeat("0123", 1)}, file{strings.Repeat("n", 900), "b"}), "tar": tarOf(t, file{"a", "b"})} {
			if _, err := walkOver(t, bytes.NewReader(raw), limits); codeOf(err) != "archive_too_large" {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

// overlapping makes a ZIP whose entries all stand for the same compressed bytes: each alone looks harmless.
func overlapping(t *testing.T, entries int) []byte {
	t.Helper()
	raw := zipOf(t, file{"0", strings.Repeat("ab", 400_000)})
	end := bytes.LastIndex(raw, []byte("PK\x05\x06"))
	start := int(binary.LittleEndian.Uint32(raw[end+16:]))
	one := raw[start:end]
	out := bytes.Clone(raw[:start])
	for i := range entries {
		entry := bytes.Clone(one)
		entry[46] = byte('0' + i) // the name's only byte, in the list
		out = append(out, entry...)
	}
	tail := bytes.Clone(raw[end:])
	binary.LittleEndian.PutUint16(tail[8:], uint16(entries))
	binary.LittleEndian.PutUint16(tail[10:], uint16(entries))
	binary.LittleEndian.PutUint32(tail[12:], uint32(len(one)*entries))
	return append(out, tail...)
}

func TestSizesThatLie(t *testing.T) {
	raw := zipOf(t, file{"lies.txt", strings.Repeat("0123456789", 1000)}, file{"b.txt", "B"})
	at := bytes.Index(raw, []byte("PK\x01\x02"))
	for _, size := range []uint32{10, 20_000, 1 << 31} {
		changed := bytes.Clone(raw)
		binary.LittleEndian.PutUint32(changed[at+24:], size) // uncompressed
		v, err := walkOver(t, bytes.NewReader(changed), testLimits(t))
		if v.refused["lies.txt"] != "damaged_file" || v.taken["b.txt"] != "B" || err != nil {
			t.Errorf("size %d: refused %v, taken %d, %v", size, v.refused, len(v.taken), err)
		}
	}
}

func TestDamagedArchives(t *testing.T) {
	files := []file{{"a.txt", "A"}, {"b.txt", strings.Repeat("B", 3000)}, {"c.txt", "C"}}
	whole := tarOf(t, files...)
	cut := whole[:512*4+1000]
	tests := []struct {
		name    string
		raw     []byte
		code    string // of the walk's error
		taken   int
		refused map[string]string
	}{
		{"a TAR cut in a file", cut, "<nil>", 1, map[string]string{"b.txt": "damaged_file", "upload": "damaged_archive"}},
		{"a compressed TAR cut", gzipped(t, whole)[:60], "<nil>", 0, nil},
		{"a ZIP cut", zipOf(t, files...)[:100], "damaged_archive", 0, map[string]string{}},
		{"a compressed file that is no TAR", gzipped(t, []byte(strings.Repeat("text ", 1000))), "unsupported_archive", 0, map[string]string{}},
		{"text", []byte(strings.Repeat("text ", 1000)), "unsupported_archive", 0, map[string]string{}},
		{"bzip2", []byte("BZh91AY&SY"), "unsupported_archive", 0, map[string]string{}},
		{"nothing", nil, "empty_file", 0, map[string]string{}},
		{"an empty ZIP", zipOf(t), "<nil>", 0, map[string]string{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v, err := walkOver(t, bytes.NewReader(test.raw), testLimits(t))
			if test.refused == nil { // how much comes out of it before the cut is the compression's affair
				if codeOf(err) != "unsupported_archive" && v.refused["upload"] != "damaged_archive" {
					t.Errorf("got %v, refused %v", err, v.refused)
				}
				return
			}
			if codeOf(err) != test.code || len(v.taken) != test.taken {
				t.Errorf("got %v, taken %v", err, v.taken)
			}
			if diff := cmp.Diff(test.refused, v.refused); diff != "" {
				t.Errorf("refused: %s", diff)
			}
		})
	}
	t.Run("a broken checksum", func(t *testing.T) {
		raw := zipOf(t, files...)
		at := bytes.Index(raw, []byte("PK\x01\x02"))
		raw[at+16]++
		v, err := walkOver(t, bytes.NewReader(raw), testLimits(t))
		if diff := cmp.Diff(map[string]string{"a.txt": "damaged_file"}, v.refused); diff != "" || err != nil || len(v.taken) != 2 {
			t.Errorf("%s, %v", diff, err)
		}
	})
}

// TestTheSourceBreaksOff tells a client that is gone from an archive that is damaged.
func TestTheSourceBreaksOff(t *testing.T) {
	gone := errors.New("connection reset")
	files := []file{{"a.txt", "A"}, {"b.txt", strings.Repeat("B", 30_000)}}
	for name, raw := range map[string][]byte{"zip": zipOf(t, files...), "tar": tarOf(t, files...), "tar.gz": gzipped(t, tarOf(t, files...))} {
		v, err := walkOver(t, io.MultiReader(bytes.NewReader(raw[:len(raw)*2/3]), iotest.ErrReader(gone)), testLimits(t))
		if !errors.Is(err, gone) || len(v.refused) > 0 {
			t.Errorf("%s: %v, refused %v", name, err, v.refused)
		}
	}
}

func TestWhatIsNoFile(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, {Name: "hard", Typeflag: tar.TypeLink, Linkname: "a"}, {Name: "fifo", Typeflag: tar.TypeFifo},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	v, err := walkOver(t, &b, testLimits(t))
	if diff := cmp.Diff(map[string]string{"link": "not_a_file", "hard": "not_a_file", "fifo": "not_a_file"}, v.refused); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}

	raw := zipOf(t, file{"secret.txt", "S"}, file{"odd.txt", "O"})
	first := bytes.Index(raw, []byte("PK\x01\x02"))
	second := bytes.LastIndex(raw, []byte("PK\x01\x02"))
	raw[first+8] |= 1   // encrypted
	raw[second+10] = 99 // method
	v, err = walkOver(t, bytes.NewReader(raw), testLimits(t))
	if diff := cmp.Diff(map[string]string{"secret.txt": "encrypted", "odd.txt": "unsupported_compression"}, v.refused); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
}

func FuzzWalk(f *testing.F) {
	f.Add([]byte("PK\x03\x04"))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		limits := testLimits(t)
		limits.Bytes = 1 << 20
		v, err := walkOver(t, bytes.NewReader(raw), limits)
		for path := range v.taken {
			if clean, problem := CleanPath(path); problem != nil || clean != path {
				t.Errorf("took %q", path)
			}
		}
		if err != nil && codeOf(err) == fmt.Sprint(err) {
			t.Errorf("got %v, which is no problem", err)
		}
	})
}
