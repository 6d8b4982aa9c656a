package api

// SearchResultBlock is a passage as Anthropic's Messages API takes it, so that its model cites it.
type SearchResultBlock struct {
	Type      string         `json:"type" enum:"search_result"`
	Source    string         `json:"source" doc:"The document's url where its metadata has one, else the path of the passage's text on this server."`
	Title     string         `json:"title"`
	Content   []TextBlock    `json:"content"`
	Citations BlockCitations `json:"citations"`
}

// TextBlock is text in Anthropic's shape.
type TextBlock struct {
	Type string `json:"type" enum:"text"`
	Text string `json:"text"`
}

// BlockCitations turns Anthropic's citations on.
type BlockCitations struct {
	Enabled bool `json:"enabled"`
}

// CohereDocument is a passage as Cohere's chat takes it.
type CohereDocument struct {
	ID   string            `json:"id" doc:"The passage's number."`
	Data map[string]string `json:"data" doc:"text, title, document_id, and where they are known section, pages and url."`
}
