package api

// Fingerprint tells a collection's content from another's.
type Fingerprint struct {
	Fingerprint string `json:"fingerprint" doc:"SHA-256 over the live documents: each one's id, original, title, metadata, how it was cut and into how many chunks. The same for the same content, in whatever collection."`
	Documents   int    `json:"documents" doc:"Documents that search may return."`
	Chunks      int    `json:"chunks" doc:"Chunks that search may return."`
}
