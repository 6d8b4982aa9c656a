package rag

// Fingerprint tells a collection's content from another's: it is the same for the same live documents, cut in the same
// way, whatever the collection is called and whenever they came.
type Fingerprint struct {
	SHA256    string // in hex
	Documents int    // live ones
	Chunks    int    // live ones
}
