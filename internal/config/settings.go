// Package config holds redkite's settings: one struct, filled from defaults, a YAML file, REDKITE_* environment
// variables and flags, in that order of growing precedence, all under the same names.
package config

import "time"

// Settings are all that an operator can set. The tags are read by the command line (flag names, defaults, help) and by
// Table, which docs/configuration.md is generated from: name "milvus-address" is the flag --milvus-address, the
// variable REDKITE_MILVUS_ADDRESS and the file key milvus_address.
type Settings struct {
	Role    string `name:"role" enum:"all,api,worker" default:"all" help:"What this process does: all serves the API and ingests, api only serves, worker only ingests. Defaults to all."`
	Address string `name:"address" default:"127.0.0.1:8080" help:"Where the API listens. Beyond loopback every request needs an API key. Defaults to 127.0.0.1:8080."`
	Data    string `name:"data" default:"./data" help:"Folder of the catalog, the uploaded originals (without blob-url), the embedded Milvus and added models. Defaults to ./data."`
	BlobURL string `name:"blob-url" default:"" help:"Bucket for the uploaded originals, as s3://bucket?region=...&endpoint=...&prefix=... (docs/blobs.md). Defaults to none: they lie in the data folder."`
	Models  string `name:"models" default:"" help:"Folder of the bundled models with manifest.yaml. Defaults to models in the working directory, else beside the binary."`

	CatalogURL string `name:"catalog-url" default:"" secret:"true" help:"PostgreSQL database of the catalog, postgres://user:password@host:5432/database; needed where several hosts serve. Defaults to none: SQLite in the data folder."`

	BiEncoder          string `name:"bi-encoder" default:"" help:"Bi-encoder of collections that name none. Defaults to the manifest's."`
	CrossEncoder       string `name:"cross-encoder" default:"" help:"Cross-encoder that reranks. Defaults to the manifest's."`
	CascadeEncoder     string `name:"cascade-encoder" default:"" help:"Smaller cross-encoder that reads all candidates first, so that the cross-encoder reads only the better ones. Defaults to none."`
	CascadeKeep        int    `name:"cascade-keep" default:"20" help:"Candidates that the cascade encoder leaves to the cross-encoder. Defaults to 20."`
	EncoderThreads     int    `name:"encoder-threads" default:"0" help:"Encoder runs at the same time, each on one core. Defaults to 0: one a core that this process may use, a container's limit included."`
	ExecutionProvider  string `name:"execution-provider" enum:"cpu,cuda,openvino,coreml,directml" default:"cpu" help:"What runs the models; all but cpu need a build of ONNX Runtime that has them. Defaults to cpu."`
	Kernels            string `name:"kernels" enum:"auto,onnxruntime,avx512-vnni,amx" default:"auto" help:"What multiplies where the execution provider is cpu: auto takes redkite's own kernels where processor and graph are for them, onnxruntime never does. Defaults to auto."`
	ONNXRuntimeLibrary string `name:"onnxruntime-library" default:"" help:"Path of the ONNX Runtime shared library. Defaults to .deps/lib/libonnxruntime.so (.dylib), which 'make deps' puts there."`

	MilvusAddress     string        `name:"milvus-address" default:"" help:"host:port of an external Milvus. Defaults to none: Milvus Lite runs embedded, as a child process."`
	MilvusUser        string        `name:"milvus-user" default:"" help:"User at the external Milvus. Defaults to none."`
	MilvusPassword    string        `name:"milvus-password" default:"" secret:"true" help:"Password at the external Milvus. Defaults to none."`
	MilvusTLS         bool          `name:"milvus-tls" default:"false" help:"Speak TLS to the external Milvus. Defaults to false."`
	MilvusDatabase    string        `name:"milvus-database" default:"" help:"Database at the external Milvus. Defaults to its default database."`
	MilvusTimeout     time.Duration `name:"milvus-timeout" default:"10s" help:"Longest time one Milvus call may take. Defaults to 10s."`
	MilvusLiteCommand string        `name:"milvus-lite-command" default:"" help:"The milvus-lite program of the embedded Milvus. Defaults to .deps/milvus-lite/bin/milvus-lite, else milvus-lite on the PATH."`

	ReconcileEvery     time.Duration `name:"reconcile-every" default:"24h" help:"How often every collection is compared with Milvus and repaired; 0 for never. Defaults to 24h."`
	IngestWorkers      int           `name:"ingest-workers" default:"4" help:"Documents ingested at the same time. Defaults to 4."`
	ParseTimeout       time.Duration `name:"parse-timeout" default:"5m" help:"Longest time the parsing of one document may take. Defaults to 5m."`
	ParseCrashes       int           `name:"parse-crashes" default:"2" help:"Deaths of a worker while it parses a document after which that document fails. More are for where workers are killed from outside, such as for memory. Defaults to 2."`
	OCR                string        `name:"ocr" enum:"none,tesseract" default:"none" help:"What reads pages of a PDF that are pictures, such as scans (docs/ocr.md). Defaults to none: they are left out, with a warning."`
	OCRCommand         string        `name:"ocr-command" default:"tesseract" help:"The tesseract program, on the PATH or with its path. Defaults to tesseract."`
	OCRLanguage        string        `name:"ocr-language" default:"eng" help:"Languages that tesseract reads, as it names them, joined by +, such as deu+eng. Defaults to eng."`
	OCRMaxPages        int           `name:"ocr-max-pages" default:"500" help:"Pages of one document that are read so, at most. Defaults to 500."`
	OCRPageTimeout     time.Duration `name:"ocr-page-timeout" default:"1m" help:"Longest time that reading one page may take. Defaults to 1m."`
	MaxUploadBytes     int64         `name:"max-upload-bytes" default:"268435456" help:"Largest file that is taken, in bytes. Defaults to 268435456 (256 MiB)."`
	MaxArchiveBytes    int64         `name:"max-archive-bytes" default:"2147483648" help:"Largest ZIP or TAR that is taken as a batch, in bytes. A ZIP lies in the data folder while it is read. Defaults to 2147483648 (2 GiB)."`
	MaxBatchBytes      int64         `name:"max-batch-bytes" default:"10737418240" help:"Most bytes that one archive may unpack to. Defaults to 10737418240 (10 GiB)."`
	MaxSearches        int           `name:"max-searches" default:"64" help:"Searches in work or waiting; more are answered 429. Defaults to 64."`
	SearchDeadline     time.Duration `name:"search-deadline" default:"2s" help:"Time a search may take when the request names none; what is not reranked by then keeps the bi-encoder's order. Defaults to 2s."`
	RerankTime         time.Duration `name:"rerank-time" default:"350ms" help:"Time reranking may take in a search that names no deadline; what is not read by then keeps the bi-encoder's order. 0 leaves it all of the deadline. Defaults to 350ms."`
	RerankTolerance    float64       `name:"rerank-tolerance" default:"0" help:"Reranking ends when the candidates not yet read are expected to take fewer than this many of the places asked for, such as 0.5. Defaults to 0: all are read."`
	RerankSure         int           `name:"rerank-sure" default:"35" help:"Candidates that reranking reads whatever other work waits for the encoder; those after them it reads only while none waits. 0 reads all. Defaults to 35."`
	PassageTokens      int           `name:"rerank-passage-tokens" default:"0" help:"Tokens of a passage that the cross-encoder reads, the best window of it for the query. 0 reads all. Defaults to 0."`
	KeptPassages       int           `name:"kept-passages" default:"8192" help:"Passages whose token ids are kept in memory for reranking, about 1 KiB each. Defaults to 8192."`
	KeptScores         int           `name:"kept-scores" default:"65536" help:"Reranking scores kept in memory, by query and passage, about 200 bytes each. Defaults to 65536."`
	KeptEmbeddingBytes int64         `name:"kept-embedding-bytes" default:"16777216" help:"Memory for embeddings of queries and highlighted sentences, in bytes, for each bi-encoder in use. 0 keeps none. Defaults to 16777216 (16 MiB), about 9,700 of 384 dimensions."`
	ShutdownTimeout    time.Duration `name:"shutdown-timeout" default:"20s" help:"Time for requests and jobs in work to end after SIGTERM. Defaults to 20s."`

	CallbackSecret string `name:"callback-secret" default:"" secret:"true" help:"Signs the callbacks of batches that bring no secret of their own: at least 16 characters, or whsec_ and base64. Defaults to none: such batches must bring one."`
	CallbackAllow  string `name:"callback-allow" default:"" help:"Internal hosts that callbacks may reach all the same: names, addresses and ranges such as 10.1.0.0/16, comma-separated. Defaults to none: only the public internet."`

	LLMURL          string        `name:"llm-url" default:"" help:"Base of the OpenAI-compatible API of the LLM that answers questions, such as http://127.0.0.1:11434/v1 (docs/answers.md). Defaults to none: nothing is sent anywhere, and questions are refused."`
	LLMModel        string        `name:"llm-model" default:"" help:"The LLM, as its server names it. Defaults to none; needed with llm-url."`
	LLMKey          string        `name:"llm-key" default:"" secret:"true" help:"Key for the LLM's server. Defaults to none."`
	LLMTimeout      time.Duration `name:"llm-timeout" default:"5m" help:"Longest time a whole answer of the LLM may take. Defaults to 5m."`
	LLMFirstToken   time.Duration `name:"llm-first-token-timeout" default:"2m" help:"Longest time until the LLM's first token. Defaults to 2m: without a GPU, reading a long prompt takes a while."`
	LLMStall        time.Duration `name:"llm-stall-timeout" default:"30s" help:"Longest time between two tokens of the LLM. Defaults to 30s."`
	LLMMaxTokens    int           `name:"llm-max-tokens" default:"1024" help:"Most tokens of an answer where the request says nothing; 0 leaves it to the LLM's server. Defaults to 1024."`
	LLMRewrite      time.Duration `name:"llm-rewrite-timeout" default:"5s" help:"Longest time the LLM may take to rewrite a question of a conversation for the search. Defaults to 5s."`
	MaxAnswers      int           `name:"max-answers" default:"32" help:"Answers of the LLM in work; more are answered 429. Defaults to 32."`
	AskMinRelevance float64       `name:"ask-min-relevance" default:"0" help:"Relevance, 0 to 1, that a hit needs to be shown to the LLM; where none has it, the answer is that nothing was found. Defaults to 0: any hit will do."`
	Templates       string        `name:"templates" default:"" help:"Folder of templates for prompts (docs/answers.md). Defaults to none: those in the binary."`

	LoopbackWithoutKey bool   `name:"loopback-without-key" default:"true" negatable:"" help:"Requests from this machine need no API key. Turn it off behind a reverse proxy on the same host. Defaults to true."`
	LogLevel           string `name:"log-level" enum:"debug,info,warn,error" default:"info" help:"Least severe log lines to write. Defaults to info."`
	LogFormat          string `name:"log-format" enum:"text,json" default:"text" help:"Form of log lines on standard error. Defaults to text."`
}
