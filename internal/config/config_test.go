package config

import (
	"bytes"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestEverySettingIsDocumented(t *testing.T) {
	seen := map[string]bool{}
	for i, s := range Table() {
		field := reflect.TypeFor[Settings]().Field(i).Name
		if s.Name == "" || seen[s.Name] {
			t.Errorf("%s: name %q is missing or taken", field, s.Name)
		}
		seen[s.Name] = true
		if !strings.Contains(s.Help, "Defaults to ") {
			t.Errorf("%s: help does not say \"Defaults to\"", field)
		}
	}
}

func TestCheckEnvironment(t *testing.T) {
	if err := CheckEnvironment([]string{"PATH=/bin", "REDKITE_MILVUS_ADDRESS=h:1", "REDKITE_SERVER=x", "REDKITE_TEST_PYTHON=p"}, "REDKITE_SERVER"); err != nil {
		t.Errorf("known variables: %v", err)
	}
	err := CheckEnvironment([]string{"REDKITE_MILVUS_ADRESS=h:1"})
	if err == nil || !strings.Contains(err.Error(), "REDKITE_MILVUS_ADRESS") {
		t.Errorf("a misspelt variable: got %v", err)
	}
}

func TestReadFile(t *testing.T) {
	got, err := ReadFile(strings.NewReader("milvus_tls: true\nmax_upload_bytes: 1000\nmilvus_timeout: 3s\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got["milvus-tls"] != "true" || got["max-upload-bytes"] != "1000" || got["milvus-timeout"] != "3s" {
		t.Errorf("got %v", got)
	}
	if _, err := ReadFile(strings.NewReader("milvus_adress: x\n")); err == nil || !strings.Contains(err.Error(), "milvus_adress") {
		t.Errorf("unknown key: got %v", err)
	}
	if got, err := ReadFile(strings.NewReader("")); err != nil || len(got) != 0 {
		t.Errorf("empty file: got %v, %v", got, err)
	}
}

func TestPrintHidesSecrets(t *testing.T) {
	var out bytes.Buffer
	if err := Print(&out, Settings{MilvusPassword: "s3cret", CatalogURL: "postgres://u:s3cret@h/d", Address: "127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "s3cret") {
		t.Errorf("the password is printed:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "milvus_password: (hidden)") || !strings.Contains(out.String(), "catalog_url: (hidden)") || !strings.Contains(out.String(), "127.0.0.1:1") {
		t.Errorf("got\n%s", out.String())
	}
}

var update = flag.Bool("update", false, "rewrite docs/configuration.md's table")

// TestConfigurationPage keeps the table in docs/configuration.md equal to the struct.
func TestConfigurationPage(t *testing.T) {
	const path, begin, end = "../../docs/configuration.md", "<!-- settings: generated -->\n", "<!-- end of settings -->"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks around the table", path)
	}
	var table bytes.Buffer
	if err := WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	want := head + begin + table.String() + end + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(page) {
		t.Errorf("%s is out of date: run go test ./internal/config -update", path)
	}
}
