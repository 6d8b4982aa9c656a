package blob

import (
	"slices"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/blob/blobtest"
)

func openS3(t *testing.T, c S3Config) *S3 {
	t.Helper()
	if c.Spool == "" {
		c.Spool = t.TempDir()
	}
	s, err := OpenS3(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left := blobtest.Files(t, c.Spool); len(left) != 0 {
			t.Errorf("left in the spool folder: %v", left)
		}
	})
	return s
}

func TestS3(t *testing.T) {
	server := blobtest.NewServer(t, "../..")
	for _, prefix := range []string{"", "red/kite"} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			s := openS3(t, S3Config{URL: server.URL(prefix)})
			if err := s.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			blobtest.Run(t, s, NewKey, func() []string {
				objects := server.Objects()
				if i := slices.IndexFunc(objects, func(name string) bool { return prefix != "" && !strings.HasPrefix(name, prefix+"/") }); i >= 0 {
					t.Errorf("%s is outside the prefix", objects[i])
				}
				return objects
			})
		})
	}
}
