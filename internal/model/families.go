package model

import "regexp"

// family is a group of models whose cards ask for prefixes that their files don't state.
type family struct {
	name           *regexp.Regexp // of the repository's last part, in lower case
	query, passage string
}

// families are as the makers' cards say: BAAI's English BGE and Microsoft's E5.
func families() []family {
	return []family{
		{name: regexp.MustCompile(`^bge-(small|base|large)-en(-v1\.5)?$`), query: "Represent this sentence for searching relevant passages: "},
		{name: regexp.MustCompile(`^(multilingual-)?e5-(small|base|large)(-v2)?$`), query: "query: ", passage: "passage: "},
	}
}
