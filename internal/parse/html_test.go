package parse

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

func TestHTMLStructure(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("testdata", "guide.html"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := parse(t, TypeHTML, page)
	if err != nil {
		t.Fatal(err)
	}
	const needs, steps = "Install guide > Requirements", "Install guide > Steps"
	want := []shown{
		{rag.BlockHeading, "Install guide", "Install guide", 0},
		{rag.BlockParagraph, "This is the first paragraph of the guide, which explains how the thing is installed on Debian, with commas, and more words.", "Install guide", 0},
		{rag.BlockHeading, "Requirements", needs, 0},
		{rag.BlockList, "- Go 1.26\n- A C compiler\n  - gcc or\n  - clang", needs, 0},
		{rag.BlockCode, "apt-get install golang\n  make build", needs, 0},
		{rag.BlockTable, "Option | Default\nmax_tokens | 256\noverlap | 32", needs, 0},
		{rag.BlockHeading, "Steps", steps, 0},
		{rag.BlockList, "1. Clone it\n2. Run make", steps, 0},
		{rag.BlockParagraph, "The second section tells you about steps, in order, so that everything works.", steps, 0},
		{rag.BlockParagraph, "Term", steps, 0},
		{rag.BlockParagraph, "Definition of it", steps, 0},
		{rag.BlockParagraph, "Quoted words of wisdom", steps, 0},
	}
	if diff := cmp.Diff(want, check(t, p)); diff != "" {
		t.Error(diff)
	}
	if p.Title != "Install guide" {
		t.Errorf("title %q", p.Title)
	}
}

func TestHTMLDetails(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"UTF-8 that begins with a kilobyte of ASCII", "<p>" + strings.Repeat("a ", 600) + "<p>caf\u00e9", "caf\u00e9"},
		{"another charset declared", "<meta charset=windows-1251><p>\xcf\xf0\xe8\xe2\xe5\xf2", "Привет"},
		{"a wrong charset declared", "<meta charset=iso-8859-1><p>caf\u00e9", "caf\u00e9"},
		{"a list in a list without an item", "<ul><li>a<ul><ul><li>b</ul></ul><li>c</ul>", "- a\n    - b\n- c"},
		{"a list that holds code", "<ol><li>Run<pre>make\n  all</pre><li>Wait</ol>", "Run\n\nmake\n  all\n\nWait"},
		{"a table that places things", "<table><tr><td><h2>Left</h2>words<td><table><tr><td>1<td>2</table></table>", "Left\n\nwords\n\n1 | 2"},
		{"a table's caption", "<table><caption>Prices<tr><td>a<td>b</table>", "Prices\na | b"},
		{"neighbouring cells", "<div><div>one</div><div>two</div></div>", "one\n\ntwo"},
		{"words inside a line", "<p>one<b>two</b> <i>three</i><br>four", "onetwo three four"},
		{"nothing but navigation", "<nav><a href=x>Home</a> <a href=y>Docs</a></nav>", "Home Docs"},
		{"buttons and choices", "<p>text<button>Copy</button><select><option>en</select>", "text"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := parse(t, TypeHTML, []byte(test.in))
			if err != nil || !strings.HasSuffix(p.Text, test.want) {
				t.Errorf("got %q, %v", p.Text, err)
			}
			check(t, p)
		})
	}
}

// TestHTMLTrustsTheDeclaredMain needs a page whose reference text the library would take for boilerplate.
func TestHTMLTrustsTheDeclaredMain(t *testing.T) {
	var options strings.Builder
	for range 30 {
		options.WriteString(`<div class="sidebar-option"><a href="#x">max_tokens</a>: <code>256</code></div>`)
	}
	page := "<body><nav>Home</nav><main><p>A short intro, which is the only prose, though the page is long.</p>" + options.String() + "</main></body>"
	p, err := parse(t, TypeHTML, []byte(page))
	if err != nil || strings.Count(p.Text, "max_tokens: 256") != 30 || strings.Contains(p.Text, "Home") {
		t.Errorf("got %q, %v", p.Text, err)
	}
}
