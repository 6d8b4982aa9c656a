package lexical

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/evaluate"
	"github.com/redkite/redkite/internal/rag"
)

func analyzer(t testing.TB) *Analyzer {
	t.Helper()
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// in are languages of ten chunks each.
func in(languages ...string) []rag.LanguageChunks {
	var out []rag.LanguageChunks
	for _, l := range languages {
		out = append(out, rag.LanguageChunks{Language: l, Chunks: 10})
	}
	return out
}

// shares says whether a document of a language is found by a query that is read by the rules of the collection's.
func shares(a *Analyzer, document, language, query string, languages ...string) bool {
	has := a.Document(document, language).Terms
	return slices.ContainsFunc(a.Query(query, in(languages...)).Terms(), func(term uint32) bool { return slices.Contains(has, term) })
}

func TestFindsByForm(t *testing.T) {
	a := analyzer(t)
	for _, test := range []struct {
		language, document, query string
		want                      bool
	}{
		{"en", "The pipelines were restarted", "restarting a pipeline", true},
		{"en", "The kite's tail", "kites", true},
		{"en", "it is what it was", "is it", false}, // stop words
		{"de", "Die Häuser in den Bergen", "Haus", true},
		{"de", "Die Häuser in den Bergen", "die in den", false},
		{"de", "Straße", "STRASSE", true},
		{"fr", "l’utilisation des données", "utilisations", true},
		{"fr", "Le café est fermé", "cafe", true},
		{"es", "las bibliotecas públicas", "biblioteca publica", true},
		{"ru", "в новых документах", "документ", true},
		{"ar", "الكتاب الجديد", "كتاب", true},
		{"he", "הַסֵּפֶר הֶחָדָשׁ", "הספר", true},
		{"he", "צה״ל הודיע", "צהל", true},
		{"zh", "红鸢是一种猛禽", "猛禽", true},
		{"zh", "红鸢是一种猛禽", "鸢", true},
		{"zh", "红鸢是一种猛禽", "飞机", false},
		{"ja", "トビは日本でよく見られる鳥です", "日本", true},
		{"ja", "データベースの設定", "データ", true},
		{"ko", "붉은솔개는 맹금류이다", "솔개", true},
		{"th", "เหยี่ยวแดงเป็นนกล่าเหยื่อ", "เหยี่ยว", true},
		{"zh", "如何配置 Kubernetes clusters", "cluster", true}, // Latin words in another script are read as English
		{"en", "deploy with 🚀 today", "🚀", true},
		{Unknown, "Restarted", "restarted", true},
		{"en", "full ｗｉｄｔｈ text", "width", true},
		{"en", "soft\u00ADware", "software", true},
	} {
		if got := shares(a, test.document, test.language, test.query, test.language); got != test.want {
			t.Errorf("%s: %q finds %q: %v, want %v", test.language, test.query, test.document, got, test.want)
		}
	}
}

func TestFindsIdentifiers(t *testing.T) {
	a := analyzer(t)
	for _, test := range []struct {
		document, query string
		want            bool
	}{
		{"it failed with ERR_1042.", "err_1042", true},
		{"it failed with ERR_1042.", "1042", true},
		{"it failed with ERR_1042.", "ERR", true},
		{"it failed with ERR_1042.", "ERR_1043 8", true}, // by ERR
		{"since v2.3.1, it works", "2.3.1", true},
		{"since v2.3.1, it works", "v2.3.1", true},
		{"since 2.3.1 it works", "v2.3.1", true},
		{"since v2.3.1, it works", "2.3", false},
		{"see CVE-2024-1234 for it", "cve-2024-1234", true},
		{"see CVE-2024-1234 for it", "1234", true},
		{"call getUserName()", "user", true},
		{"call getUserName()", "getusername", true},
		{"mRNA vaccines", "rna", false}, // a short part is no word
		{"python3 -m venv", "python", true},
		{"written in C++", "c++", true},
		{"written in C++", "c", false},
		{"written in C#", "C#", true},
		{"about 1,000 items", "1000", true},
		{"the U.S. market", "US", true},
		{"edit /etc/nginx/nginx.conf", "nginx.conf", true},
		{"mail ann@example.com", "ann@example.com", true},
		{"a well-known rule", "known", true},
		{"COVID-19 tests", "covid", true},
	} {
		if got := shares(a, test.document, "en", test.query, "en"); got != test.want {
			t.Errorf("%q finds %q: %v, want %v", test.query, test.document, got, test.want)
		}
	}
	whole := a.Query("CVE-2024-1234", in("en"))
	if n := len(whole.Terms()); n != 4 {
		t.Errorf("CVE-2024-1234 has %d terms, want the whole and three parts", n)
	}
}

// TestQueryReadsEveryLanguage asks a collection of several languages; what one language drops, another may need.
func TestQueryReadsEveryLanguage(t *testing.T) {
	a := analyzer(t)
	both := []string{"en", "de"}
	if !shares(a, "The heroes die", "en", "die", both...) || shares(a, "die Katze", "de", "die", "de") {
		t.Error("a German stop word must be found in English texts, and not in German ones")
	}
	if !shares(a, "Viele Katzen", "de", "Katze", both...) || !shares(a, "many cats", "en", "cat", both...) {
		t.Error("a language's own rules are not used")
	}
	four := []string{"en", "fr", "es", "it"}
	if diff := cmp.Diff(a.Query("die kühnen Häuser", in(four...)).Terms(), a.Query("die kühnen Häuser", in(append(four, "de")...)).Terms()); diff != "" {
		t.Errorf("more than four languages are read: %s", diff)
	}
}

func TestDetect(t *testing.T) {
	for want, text := range map[string]string{
		"en":    "The red kite is a medium-large bird of prey in the family Accipitridae, which also includes many other diurnal raptors.",
		"de":    "Der Rotmilan ist eine etwa mäusebussardgroße Greifvogelart aus der Familie der Habichtartigen und lebt in Europa.",
		"fr":    "Le Milan royal est une espèce de rapaces de taille moyenne, endémique de la région paléarctique et de l’Europe.",
		"es":    "El milano real es una especie de ave accipitriforme de la familia de las águilas que vive en toda la península.",
		"zh":    "红鸢是鹰科鸢属的鸟类，主要分布在欧洲、亚洲西部和非洲西北部。",
		"ja":    "アカトビは、タカ目タカ科に分類される鳥類の一種です。ヨーロッパに生息しています。",
		"ko":    "붉은솔개는 수리과에 속하는 맹금류의 일종으로 유럽과 서아시아에 분포한다.",
		"ar":    "الحدأة الحمراء نوع من الطيور الجارحة المتوسطة الحجم التي تعيش في أوروبا وشمال أفريقيا.",
		"he":    "דיה אדומה היא מין של עוף דורס ממשפחת הנציים החי באירופה ובצפון אפריקה.",
		"ru":    "Красный коршун — хищная птица семейства ястребиных, распространённая в Европе и Передней Азии.",
		Unknown: "12 + 34 = 46",
	} {
		if got := Detect(text); got != want {
			t.Errorf("got %q, want %q: %s", got, want, text)
		}
	}
	if got := Detect(""); got != Unknown {
		t.Errorf("an empty text is in %q", got)
	}
}

// TestFewTextsOfALanguageWeighNoMore has a few texts in which English stop words are terms, and English words are not
// stemmed, because their language was not told: they must not outweigh all others for being rare.
func TestFewTextsOfALanguageWeighNoMore(t *testing.T) {
	a := analyzer(t)
	query := a.Query("the vaccinations of kites", []rag.LanguageChunks{{Language: "en", Chunks: 1000}, {Language: Unknown, Chunks: 3}})
	frequencies := map[uint32]int{
		dimension([]byte("the")): 3, dimension([]byte("of")): 3, dimension([]byte("vaccinations")): 1, dimension([]byte("kites")): 2,
		dimension([]byte("vaccin")): 200, dimension([]byte("kite")): 5,
	}
	v := query.Vector(frequencies)
	weights := map[uint32]float64{}
	for i, term := range v.Terms {
		weights[term] = float64(v.Weights[i])
	}
	if w := weights[dimension([]byte("the"))]; w > 0.01 {
		t.Errorf("a stop word weighs %v", w)
	}
	for _, pair := range [][2]string{{"vaccinations", "vaccin"}, {"kites", "kite"}} {
		if x, y := weights[dimension([]byte(pair[0]))], weights[dimension([]byte(pair[1]))]; x != y || x == 0 {
			t.Errorf("%s weighs %v, %s %v", pair[0], x, pair[1], y)
		}
	}
}

// TestProductIsBM25 compares the product of the two sides with the formula, term by term.
func TestProductIsBM25(t *testing.T) {
	a := analyzer(t)
	texts := []string{"kite kite tail", "kite in the wind and the rain and the sun", "hawk"}
	frequencies := map[uint32]int{}
	for _, text := range texts {
		for _, term := range a.Document(text, "en").Terms {
			frequencies[term]++
		}
	}
	query := a.Query("kite tail submarine", []rag.LanguageChunks{{Language: "en", Chunks: len(texts)}}).Vector(frequencies)
	if len(query.Terms) != 2 {
		t.Fatalf("%d terms, want those that a text has", len(query.Terms))
	}
	bm25 := func(tf, df, length float64) float64 {
		if tf == 0 {
			return 0
		}
		return math.Log(1+(3-df+0.5)/(df+0.5)) * tf * (k1 + 1) / (tf + k1*(1-b+b*length/averageLength))
	}
	for i, want := range []float64{bm25(2, 2, 3) + bm25(1, 1, 3), bm25(1, 2, 4), 0} {
		document := a.Document(texts[i], "en")
		got := 0.0
		for j, term := range query.Terms {
			if at, ok := slices.BinarySearch(document.Terms, term); ok {
				got += float64(query.Weights[j]) * float64(document.Weights[at])
			}
		}
		if math.Abs(got-want) > 1e-5 {
			t.Errorf("%q: product %v, BM25 %v", texts[i], got, want)
		}
	}
}

func TestQueryIsBounded(t *testing.T) {
	a := analyzer(t)
	var text strings.Builder
	frequencies := map[uint32]int{}
	for i := range 2000 {
		text.WriteString(" term")
		text.WriteString(strings.Repeat("x", i%50))
		text.WriteByte(byte('0' + i%10))
		text.WriteByte(byte('0' + i/10%10))
		text.WriteByte(byte('0' + i/100%10))
	}
	query := a.Query(text.String(), []rag.LanguageChunks{{Language: "en", Chunks: 1000}})
	rare := query.Terms()[7]
	for _, term := range query.Terms() {
		frequencies[term] = 500
	}
	frequencies[rare] = 1
	v := query.Vector(frequencies)
	if len(v.Terms) != maxQueryTerms || !slices.IsSorted(v.Terms) || !slices.Contains(v.Terms, rare) {
		t.Errorf("%d terms, sorted %v, the rarest among them %v", len(v.Terms), slices.IsSorted(v.Terms), slices.Contains(v.Terms, rare))
	}
}

func TestOddTexts(t *testing.T) {
	a := analyzer(t)
	for name, text := range map[string]string{
		"empty": "", "NUL": "a\x00b", "not UTF-8": "caf\xe9 \xff\xfe", "joiners": "-_./@:+#'", "marks": "\u0301\u0302", "dots": "a.b.c.d.e.",
		"quote": "’", "prime": "ʼʼʼ", "hebrew marks": "״", "flags": "🇩🇪🇫🇷", "family": "👩‍👩‍👧", "long word": strings.Repeat("x", 100_000),
		"100,000 characters": strings.Repeat("the red kite flies over the hills. ", 3000), "long run": strings.Repeat("鳶", 50_000),
	} {
		began := time.Now()
		for _, language := range append(ruled(), Unknown, "zh", "he", "") {
			v := a.Document(text, language)
			if len(v.Terms) != len(v.Weights) || !slices.IsSorted(v.Terms) {
				t.Errorf("%s: %d terms, %d weights", name, len(v.Terms), len(v.Weights))
			}
			for i, w := range v.Weights {
				if !(w > 0) || v.Terms[i] == math.MaxUint32 {
					t.Errorf("%s: term %d weighs %v", name, v.Terms[i], w)
				}
			}
		}
		if spent := time.Since(began); spent > 30*time.Second {
			t.Errorf("%s takes %v", name, spent)
		}
	}
	if !shares(a, "a\x00kite", "en", "kite", "en") {
		t.Error("NUL does not end a word")
	}
}

// TestTermsAreStable keeps terms as they are: a change would have stored ones not be found.
func TestTermsAreStable(t *testing.T) {
	a := analyzer(t)
	for text, want := range map[string]string{"Kites": "kite", "ERR_1042": "err_1042", "猛禽": "猛禽", "v2.3.1": "2.3.1", "Häuser": "hauser"} {
		if !slices.Contains(a.Query(text, in("en")).Terms(), dimension([]byte(want))) {
			t.Errorf("%q has not the term %q", text, want)
		}
	}
	if diff := cmp.Diff([]uint32{3459303713, 3260222575}, []uint32{dimension([]byte("kite")), dimension([]byte("猛禽"))}); diff != "" {
		t.Error(diff)
	}
}

// FuzzAnalyzer looks for texts that a document can't be found by.
func FuzzAnalyzer(f *testing.F) {
	a := analyzer(f)
	for _, seed := range []string{"The red kite's tail", "ERR_1042 v2.3.1 CVE-2024-1234", "红鸢是一种猛禽 Milvus", "l’avion", "\x00\xff", "צה״ל", "a-", "’s", "C++#"} {
		f.Add(seed, "en")
	}
	f.Fuzz(func(t *testing.T, text, language string) {
		v := a.Document(text, language)
		for i, w := range v.Weights {
			if !(w > 0) || math.IsInf(float64(w), 0) || i > 0 && v.Terms[i] <= v.Terms[i-1] {
				t.Fatalf("term %d weighs %v", v.Terms[i], w)
			}
		}
		// Whatever a query says stands in a document that says the same.
		for _, term := range a.scanTerms(text, language) {
			if _, ok := slices.BinarySearch(v.Terms, term); !ok {
				t.Fatalf("the text %q is not found by itself: term %d", text, term)
			}
		}
		Detect(text)
	})
}

func (a *Analyzer) scanTerms(text, language string) []uint32 {
	s := a.scan(text, language, true)
	defer s.done()
	return slices.Clone(s.terms())
}

// BenchmarkDocument reads abstracts of the sets that REDKITE_LABELLED_SETS names, or pieces of this project's pages.
func BenchmarkDocument(bench *testing.B) {
	a := analyzer(bench)
	texts := realTexts(bench)
	bytes := 0
	for _, text := range texts {
		bytes += len(text)
	}
	bench.SetBytes(int64(bytes / len(texts)))
	bench.ReportAllocs()
	i := 0
	for bench.Loop() {
		a.Document(texts[i%len(texts)], "en")
		i++
	}
}

// realTexts gives texts as long as chunks are.
func realTexts(t testing.TB) []string {
	var texts []string
	for _, folder := range filepath.SplitList(os.Getenv("REDKITE_LABELLED_SETS")) {
		set, err := evaluate.Load(folder, "test")
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range set.Corpus[:min(2000, len(set.Corpus))] {
			texts = append(texts, d.Title+"\n"+d.Text)
		}
	}
	if len(texts) > 0 {
		return texts
	}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, page := range pages {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for piece := range slices.Chunk(raw, 1500) {
			texts = append(texts, string(piece))
		}
	}
	return texts
}

func BenchmarkNew(bench *testing.B) {
	for bench.Loop() {
		if _, err := New(); err != nil {
			bench.Fatal(err)
		}
	}
}
