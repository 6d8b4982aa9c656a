package lexical

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"golang.org/x/text/unicode/norm"
)

// kind is what a character does in a text.
type kind uint8

const (
	gap        kind = iota // ends what is before it
	inWord                 // letters, digits, and the marks on them
	joiner                 // holds two words together where it stands between them, as in CVE-2024-1234
	unspaced               // of a script written without spaces, or in which they say little
	symbol                 // stands for itself, as emoji do
	passedOver             // as if it were not there
)

const (
	apostrophe = '\''
	// maxWord bounds a word and an identifier, in runes; longer ones are encoded data, and only their beginning counts.
	maxWord = 100
)

func kindOf(r rune) kind {
	if r < utf8.RuneSelf {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return inWord
		}
		switch r {
		case '_', '-', '.', '/', '@', ':', '+', '#', '&', ',', apostrophe:
			return joiner
		}
		return gap
	}
	switch {
	case r == '’', r == 'ʼ', r == '‐', r == '·':
		return joiner
	case r == '\u00AD', r == '\u200D', r == '\u2060', r == '\uFEFF', r >= '\uFE00' && r <= '\uFE0F':
		return passedOver
	case r == '״', r == '׳': // in Hebrew acronyms
		return inWord
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar), r == 'ー':
		return unspaced
	case unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
		return inWord
	case unicode.Is(unicode.So, r), r >= 0x1F3FB && r <= 0x1F3FF:
		return symbol
	}
	return gap
}

// scanner finds the terms of one text after the other. What it makes of one is good until the next.
type scanner struct {
	*Analyzer
	language string
	query    bool
	loose    []uint32   // terms that are no words of a language: identifiers, numbers, pairs of characters, symbols
	words    [][]uint32 // what the rules made of each word, in the text's order; nothing of a stop word. Only to be read
	length   int

	runes []rune
	key   []byte
	memo  map[string][]uint32 // the terms of words that were met before, by their language's rules and the word
}

const (
	// maxMemo bounds the words that a scanner remembers, and maxMemoWord their bytes: about 2 MiB.
	maxMemo     = 16_384
	maxMemoWord = 48
	// maxKept bounds the characters of a text whose room a scanner keeps for the next one.
	maxKept = 1 << 16
)

// scan finds the terms of a text. The scanner is to be given back with done.
func (a *Analyzer) scan(text, language string, query bool) *scanner {
	s, ok := a.idle.Get().(*scanner)
	if !ok {
		s = &scanner{Analyzer: a, memo: map[string][]uint32{}}
	}
	s.language, s.query, s.length = language, query, 0
	s.loose, s.words, s.runes = s.loose[:0], s.words[:0], s.runes[:0]
	for _, r := range norm.NFKC.String(text) {
		if kindOf(r) != passedOver {
			s.runes = append(s.runes, r)
		}
	}
	runes := s.runes
	for at := 0; at < len(runes); {
		end := at + 1
		switch k := kindOf(runes[at]); k {
		case inWord:
			end = compoundEnd(runes, at)
			s.compound(runes[at:end])
		case unspaced:
			for end < len(runes) && kindOf(runes[end]) == unspaced {
				end++
			}
			s.pairs(runes[at:end])
		case symbol:
			s.count([]byte(string(runes[at])))
		}
		at = end
	}
	return s
}

// done keeps a scanner for the next text.
func (s *scanner) done() {
	if len(s.runes) <= maxKept {
		s.idle.Put(s)
	}
}

// terms gives the terms of the text, each as often as it stands there, ascending.
func (s *scanner) terms() []uint32 {
	all := s.loose
	for _, terms := range s.words {
		all = append(all, terms...)
	}
	s.loose = all[:0] // with the room that it has now
	slices.Sort(all)
	return all
}

// compoundEnd is where the words end that begin at a place and are held together by joiners.
func compoundEnd(runes []rune, at int) int {
	end := at
	for end < len(runes) {
		switch kindOf(runes[end]) {
		case inWord:
			end++
			continue
		case joiner:
			digits := end > at && end+1 < len(runes) && unicode.IsDigit(runes[end-1]) && unicode.IsDigit(runes[end+1])
			if end+1 < len(runes) && kindOf(runes[end+1]) == inWord && (runes[end] != ',' || digits) {
				end++
				continue
			}
		}
		break
	}
	if letters := end - at; letters <= 2 { // C++, C#, F#
		for end < len(runes) && (runes[end] == '+' || runes[end] == '#') && end-at < letters+2 {
			end++
		}
	}
	return end
}

// compound counts what stands between gaps: its words, and the whole of it where that is a name or a number.
func (s *scanner) compound(runes []rune) {
	if !slices.ContainsFunc(runes, joins) {
		s.piece(runes)
		return
	}
	pieces := split(runes)
	if acronym(runes, pieces) {
		var all []rune
		for _, p := range pieces {
			all = append(all, p...)
		}
		s.whole(all)
		return
	}
	if onlyDigits(pieces) && !strings.ContainsAny(string(runes), "-/@_") {
		s.whole([]rune(strings.ReplaceAll(string(runes), ",", ""))) // 1,000 or 3.14 or 10:30
		return
	}
	named := identifier(runes)
	if named {
		s.whole(runes)
		if r := unicode.ToLower(runes[0]); r == 'v' && unicode.IsDigit(runes[1]) {
			s.whole(runes[1:]) // v2.3.1 is 2.3.1 too
		}
	}
	for _, p := range pieces {
		if named && len(p) == 1 {
			continue // found with the whole
		}
		s.piece(p)
	}
}

// split gives the words between joiners. An apostrophe belongs to its word.
func split(runes []rune) [][]rune {
	var pieces [][]rune
	from := 0
	for i := 0; i <= len(runes); i++ {
		if i == len(runes) || joins(runes[i]) {
			if i > from {
				pieces = append(pieces, runes[from:i])
			}
			from = i + 1
		}
	}
	return pieces
}

// joins says that a character holds two words together. An apostrophe holds parts of one.
func joins(r rune) bool { return kindOf(r) == joiner && !isApostrophe(r) }

func isApostrophe(r rune) bool { return r == apostrophe || r == '’' || r == 'ʼ' }

// identifier says that joined words are a name: they hold a digit, or a joiner that prose does not use.
func identifier(runes []rune) bool {
	slashes := 0
	for _, r := range runes {
		if unicode.IsDigit(r) || strings.ContainsRune("_.@:+#", r) {
			return true
		}
		if r == '/' {
			slashes++
		}
	}
	return slashes > 1
}

// acronym says that joined words are single letters with points between, as in U.S.A.
func acronym(runes []rune, pieces [][]rune) bool {
	for _, p := range pieces {
		if len(p) != 1 || !unicode.IsLetter(p[0]) {
			return false
		}
	}
	return strings.Count(string(runes), ".") == len(pieces)-1 && len(pieces) > 1
}

func onlyDigits(pieces [][]rune) bool {
	for _, p := range pieces {
		for _, r := range p {
			if !unicode.IsDigit(r) {
				return false
			}
		}
	}
	return true
}

// minPart is the shortest part of a word that is counted for itself.
const minPart = 3

// piece counts a word without joiners. One of letters and digits, or in camel case, counts as a whole and by its parts.
func (s *scanner) piece(runes []rune) {
	var digits, letters bool
	for _, r := range runes {
		digits, letters = digits || unicode.IsDigit(r), letters || unicode.IsLetter(r)
	}
	switch {
	case digits && letters:
		s.whole(runes)
		for _, part := range strings.FieldsFunc(string(runes), unicode.IsDigit) {
			if part := []rune(part); len(part) >= minPart {
				s.word(part)
			}
		}
	case digits:
		s.whole(runes)
	default:
		s.word(runes)
		for _, part := range humps(runes) {
			s.word(part)
		}
	}
}

// humps gives the parts of a word in camel case, none where it is not or where one of them is short, as in mRNA.
func humps(runes []rune) [][]rune {
	var parts [][]rune
	from := 0
	for i := 1; i <= len(runes); i++ {
		if i < len(runes) && !(unicode.IsLower(runes[i-1]) && unicode.IsUpper(runes[i])) {
			continue
		}
		if i-from < minPart {
			return nil
		}
		parts = append(parts, runes[from:i])
		from = i
	}
	if len(parts) < 2 {
		return nil
	}
	return parts
}

// pairs counts each two neighbours of a run in a script without spaces; a run of one counts as it is. Documents count
// each Chinese character too, for queries of one.
func (s *scanner) pairs(run []rune) {
	if len(run) == 1 {
		s.count([]byte(string(run)))
		return
	}
	for i := range run[:len(run)-1] {
		s.count([]byte(string(run[i : i+2])))
	}
	if s.query {
		return
	}
	for _, r := range run {
		if unicode.Is(unicode.Han, r) {
			s.loose = append(s.loose, dimension([]byte(string(r)))) // not in the length: its text is counted already
		}
	}
}

// whole counts an identifier or number as it stands, in lower case.
func (s *scanner) whole(runes []rune) {
	s.count([]byte(fold(strings.ToLower(string(runes[:min(maxWord, len(runes))])))))
}

// word counts what the rules of its language make of a word.
func (s *scanner) word(runes []rune) {
	runes = runes[:min(maxWord, len(runes))]
	rules := rulesFor(runes, s.language)
	s.key = append(append(s.key[:0], rules...), 0)
	from := len(s.key)
	for _, r := range runes {
		s.key = utf8.AppendRune(s.key, r)
	}
	terms, known := s.memo[string(s.key)]
	if !known {
		terms = s.stem(rules, string(s.key[from:]))
		if len(s.memo) >= maxMemo {
			clear(s.memo)
		}
		if len(s.key)-from <= maxMemoWord {
			s.memo[string(s.key)] = terms
		}
	}
	s.words = append(s.words, terms)
	s.length += len(terms)
}

// stem gives the terms of a word by a language's rules, which look at each word alone. Where there are none it is kept in
// lower case.
func (a *Analyzer) stem(rules, word string) []uint32 {
	filters, ruled := a.filters[rules]
	if !ruled {
		return appendTerm(nil, strings.ToLower(word))
	}
	stream := analysis.TokenStream{{Term: []byte(strings.ReplaceAll(word, "’", "'"))}}
	for _, filter := range filters {
		stream = filter.Filter(stream)
	}
	var terms []uint32
	for _, token := range stream {
		terms = appendTerm(terms, string(token.Term))
	}
	return terms
}

// appendTerm adds the term of what became of a word.
func appendTerm(terms []uint32, word string) []uint32 {
	if word = fold(word); word == "" {
		return terms
	}
	return append(terms, dimension([]byte(word)))
}

func (s *scanner) count(term []byte) {
	if len(term) == 0 {
		return
	}
	s.loose = append(s.loose, dimension(term))
	s.length++
}

// fold takes the marks off letters, so that café is found as cafe, and vowelled Hebrew without its vowels.
func fold(term string) string {
	ascii := true
	for i := range len(term) {
		if term[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return term
	}
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) && !unicode.In(r, unicode.Devanagari, unicode.Bengali, unicode.Tamil, unicode.Telugu, unicode.Gujarati, unicode.Gurmukhi, unicode.Kannada, unicode.Malayalam, unicode.Sinhala) ||
			r == '״' || r == '׳' {
			return -1
		}
		return r
	}, norm.NFD.String(term)))
}
