package config

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// EnvPrefix starts the name of every environment variable that redkite reads.
const EnvPrefix = "REDKITE_"

// Setting describes one field of Settings.
type Setting struct {
	Name    string // as a flag, without dashes in front: "milvus-address"
	Help    string
	Default string
	Secret  bool
	Values  string // the values allowed, comma-separated; empty for any
}

// Env is the setting's environment variable.
func (s Setting) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// Key is the setting's name in a settings file.
func (s Setting) Key() string { return strings.ReplaceAll(s.Name, "-", "_") }

// Table lists every setting in the order of the struct.
func Table() []Setting {
	t := reflect.TypeFor[Settings]()
	table := make([]Setting, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		table = append(table, Setting{
			Name: tag.Get("name"), Help: tag.Get("help"), Default: tag.Get("default"),
			Secret: tag.Get("secret") != "", Values: tag.Get("enum"),
		})
	}
	return table
}

// CheckEnvironment refuses REDKITE_* variables that name no setting, so that a misspelt one is not silently without
// effect. extra are further names the caller reads itself; names that begin with REDKITE_TEST_ are left to tests.
func CheckEnvironment(environ []string, extra ...string) error {
	known := slices.Clone(extra)
	for _, s := range Table() {
		known = append(known, s.Env())
	}
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, EnvPrefix) || strings.HasPrefix(name, EnvPrefix+"TEST_") || slices.Contains(known, name) {
			continue
		}
		return fmt.Errorf("environment variable %s names no setting; 'redkite serve --help' lists them", name)
	}
	return nil
}

// ReadFile reads a YAML settings file into values by flag name. An unknown key is an error that names it.
func ReadFile(r io.Reader) (map[string]string, error) {
	var values map[string]any
	if err := yaml.NewDecoder(r).Decode(&values); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read settings file: %w", err)
	}
	byKey := map[string]Setting{}
	for _, s := range Table() {
		byKey[s.Key()] = s
	}
	out := make(map[string]string, len(values))
	for key, value := range values {
		s, ok := byKey[key]
		if !ok {
			return nil, fmt.Errorf("read settings file: %q is no setting; 'redkite serve --help' lists them", key)
		}
		out[s.Name] = fmt.Sprint(value)
	}
	return out, nil
}

// Print writes the settings in force as a settings file, secrets hidden.
func Print(w io.Writer, settings Settings) error {
	v := reflect.ValueOf(settings)
	for i, s := range Table() {
		value := fmt.Sprint(v.Field(i).Interface())
		if s.Secret && value != "" {
			value = "(hidden)"
		}
		line, err := yaml.Marshal(map[string]string{s.Key(): value})
		if err != nil {
			return fmt.Errorf("print setting %s: %w", s.Name, err)
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// WriteTable writes the reference table of docs/configuration.md.
func WriteTable(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| setting | environment | what it does |\n|---|---|---|\n")
	for _, s := range Table() {
		help := strings.ReplaceAll(s.Help, "|", "\\|")
		fmt.Fprintf(&b, "| `--%s` | `%s` | %s |\n", s.Name, s.Env(), help)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
