package lexical

import (
	"strings"
	"unicode"

	"github.com/abadojack/whatlanggo"
	// The rules register themselves under their languages.
	_ "github.com/blevesearch/bleve/v2/analysis/lang/ar"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/ckb"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/da"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/de"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/en"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/es"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/fa"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/fi"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/fr"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/hi"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/hr"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/hu"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/it"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/nl"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/no"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/pl"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/pt"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/ro"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/ru"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/sv"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/tr"
)

// Unknown is the language of a text that can't tell it: too short, or in none that is known. Its words are kept as they
// stand.
const Unknown = "und"

// ruled are the languages that there are stop words and stemming rules for, by their codes of ISO 639-1 or, where there
// is none, 639-3.
func ruled() []string {
	return []string{
		"ar", "ckb", "da", "de", "en", "es", "fa", "fi", "fr", "hi", "hr", "hu", "it", "nl", "no", "pl", "pt", "ro", "ru", "sv", "tr",
	}
}

// detectRunes is how much of a text is read to tell its language.
const detectRunes = 4000

// Detect tells the language of a text, by the trigrams of its beginning; Unknown where they don't decide.
func Detect(text string) string {
	n := 0
	for at := range text {
		if n++; n > detectRunes {
			text = text[:at]
			break
		}
	}
	found := whatlanggo.DetectWithOptions(text, whatlanggo.Options{Whitelist: detected()})
	if found.Script == nil || !found.IsReliable() {
		return Unknown
	}
	switch found.Lang {
	case whatlanggo.Nob, whatlanggo.Nno:
		return "no"
	case whatlanggo.Cmn:
		return "zh"
	}
	if code := found.Lang.Iso6391(); code != "" {
		return code
	}
	return Unknown
}

// detected are the languages that Detect tells apart. More would be taken for each other more often.
func detected() map[whatlanggo.Lang]bool {
	known := map[whatlanggo.Lang]bool{}
	for _, l := range []whatlanggo.Lang{
		whatlanggo.Arb, whatlanggo.Ben, whatlanggo.Bul, whatlanggo.Ces, whatlanggo.Cmn, whatlanggo.Dan, whatlanggo.Deu, whatlanggo.Ell,
		whatlanggo.Eng, whatlanggo.Fin, whatlanggo.Fra, whatlanggo.Guj, whatlanggo.Heb, whatlanggo.Hin, whatlanggo.Hrv, whatlanggo.Hun,
		whatlanggo.Ita, whatlanggo.Jpn, whatlanggo.Kan, whatlanggo.Kat, whatlanggo.Khm, whatlanggo.Kor, whatlanggo.Mal, whatlanggo.Mar,
		whatlanggo.Mya, whatlanggo.Nld, whatlanggo.Nob, whatlanggo.Pan, whatlanggo.Pes, whatlanggo.Pol, whatlanggo.Por, whatlanggo.Ron,
		whatlanggo.Rus, whatlanggo.Sin, whatlanggo.Spa, whatlanggo.Swe, whatlanggo.Tam, whatlanggo.Tel, whatlanggo.Tha, whatlanggo.Tur,
		whatlanggo.Ukr, whatlanggo.Urd, whatlanggo.Vie,
	} {
		known[l] = true
	}
	return known
}

// rulesFor gives the language by whose rules a word is read that stands in a text of another script: the one whose
// words are most common among such. An empty one has no rules.
func rulesFor(word []rune, language string) string {
	for _, r := range word {
		switch {
		case r < unicode.MaxASCII && unicode.IsLetter(r), unicode.Is(unicode.Latin, r):
			if language == Unknown || strings.Contains(latin, language) {
				return language
			}
			return "en"
		case unicode.Is(unicode.Cyrillic, r):
			return within(language, "ru uk bg", "ru")
		case unicode.Is(unicode.Arabic, r):
			return within(language, "ar fa ckb ur", "ar")
		case unicode.Is(unicode.Devanagari, r):
			return within(language, "hi mr", "hi")
		case unicode.IsLetter(r):
			return ""
		}
	}
	return ""
}

// latin are the languages with rules that are written in Latin letters, and those without that are told apart.
const latin = "cs da de en es fi fr hr hu it nl no pl pt ro sv tr vi"

func within(language, of, otherwise string) string {
	if language == Unknown || strings.Contains(of, language) {
		return language
	}
	return otherwise
}
