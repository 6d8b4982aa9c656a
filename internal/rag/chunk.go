package rag

// Strategy says what a document is cut along.
type Strategy string

// The strategies. No chunk of any of them crosses a page.
const (
	StrategyStructure   Strategy = "structure"    // sections, then blocks, sentences, tokens
	StrategyTokens      Strategy = "tokens"       // windows of max_tokens
	StrategySentences   Strategy = "sentences"    // whole sentences, whatever section they are in
	StrategyPage        Strategy = "page"         // a chunk a page
	StrategyRow         Strategy = "row"          // a chunk a row of a table; the rest as structure
	StrategyParentChild Strategy = "parent-child" // as structure, and hits bring the section around them
)

// Strategies lists them, the default first.
func Strategies() []Strategy {
	return []Strategy{StrategyStructure, StrategyTokens, StrategySentences, StrategyPage, StrategyRow, StrategyParentChild}
}

// Chunking says how documents are cut. Tokens are counted by the collection's bi-encoder's tokenizer.
type Chunking struct {
	Strategy     Strategy `json:"strategy"`
	MaxTokens    int      `json:"max_tokens"`    // most tokens in a chunk's text and header
	Overlap      int      `json:"overlap"`       // tokens repeated from the chunk before, inside a section
	MinTokens    int      `json:"min_tokens"`    // a section with fewer is merged with its neighbour where both fit
	ParentTokens int      `json:"parent_tokens"` // most tokens in a parent; 0 for strategies without
}

// NewChunking is what a request says of a chunking; members that are nil are left to the collection, or to defaults.
type NewChunking struct {
	Strategy     *Strategy
	MaxTokens    *int
	Overlap      *int
	MinTokens    *int
	ParentTokens *int
}

// Chunk is the text that gets one embedding. It belongs to one version of one document.
type Chunk struct {
	ID        ChunkID
	Document  DocumentID
	Version   int
	Ordinal   int    // place in the document, from 0
	Header    string // first row of the table that the text goes on with; embedded and shown before it, and not in Span
	Text      string
	Headings  []string
	PageStart int // from 1; 0 where the format has no pages
	PageEnd   int // the last page it touches, inclusive
	Span      Span
	Tokens    int     // of Text, counted by the collection's bi-encoder
	Parent    *Parent // nil where the chunk stands for itself
}

// Parent is the stretch of a document around a small chunk that is shown in its place. It is of the chunk's section and
// page, unless a search put what lies around a hit together: then it has pages and chunks of its own.
type Parent struct {
	Span      Span
	Header    string // as a chunk's
	Text      string
	PageStart int       // 0 for the chunk's own
	PageEnd   int       // 0 for the chunk's own
	Chunks    []ChunkID // that it was put together of; nil for a parent that ingestion made
}

// Shown is the chunk's text under the header of its table.
func (c Chunk) Shown() string { return under(c.Header, c.Text) }

// Shown is the parent's text under the header of its table.
func (p Parent) Shown() string { return under(p.Header, p.Text) }

// Shown is the passage's text under the header of its table.
func (p Passage) Shown() string { return under(p.Header, p.Text) }

func under(header, text string) string {
	if header == "" {
		return text
	}
	return header + "\n" + text
}

// ChunkPage is a stretch of the chunks of a document's live version, in order.
type ChunkPage struct {
	Version int
	Total   int // chunks of the version
	Chunks  []Chunk
}
