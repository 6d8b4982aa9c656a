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
	Data    string `name:"data" default:"./data" help:"Folder of the catalog, the uploaded originals, the embedded Milvus and added models. Defaults to ./data."`
	Models  string `name:"models" default:"" help:"Folder of the bundled models with manifest.yaml. Defaults to models in the working directory, else beside the binary."`

	BiEncoder          string `name:"bi-encoder" default:"" help:"Bi-encoder of collections that name none. Defaults to the manifest's."`
	CrossEncoder       string `name:"cross-encoder" default:"" help:"Cross-encoder that reranks. Defaults to the manifest's."`
	EncoderThreads     int    `name:"encoder-threads" default:"0" help:"Encoder runs at the same time, each on one core. Defaults to 0: one a core."`
	ONNXRuntimeLibrary string `name:"onnxruntime-library" default:"" help:"Path of the ONNX Runtime shared library. Defaults to .deps/lib/libonnxruntime.so (.dylib), which 'make deps' puts there."`

	MilvusAddress     string        `name:"milvus-address" default:"" help:"host:port of an external Milvus. Defaults to none: Milvus Lite runs embedded, as a child process."`
	MilvusUser        string        `name:"milvus-user" default:"" help:"User at the external Milvus. Defaults to none."`
	MilvusPassword    string        `name:"milvus-password" default:"" secret:"true" help:"Password at the external Milvus. Defaults to none."`
	MilvusTLS         bool          `name:"milvus-tls" default:"false" help:"Speak TLS to the external Milvus. Defaults to false."`
	MilvusDatabase    string        `name:"milvus-database" default:"" help:"Database at the external Milvus. Defaults to its default database."`
	MilvusTimeout     time.Duration `name:"milvus-timeout" default:"10s" help:"Longest time one Milvus call may take. Defaults to 10s."`
	MilvusLiteCommand string        `name:"milvus-lite-command" default:"" help:"The milvus-lite program of the embedded Milvus. Defaults to .deps/milvus-lite/bin/milvus-lite, else milvus-lite on the PATH."`

	IngestWorkers   int           `name:"ingest-workers" default:"2" help:"Documents ingested at the same time. Defaults to 2."`
	ParseTimeout    time.Duration `name:"parse-timeout" default:"5m" help:"Longest time the parsing of one document may take. Defaults to 5m."`
	MaxUploadBytes  int64         `name:"max-upload-bytes" default:"104857600" help:"Largest file that is taken, in bytes. Defaults to 104857600 (100 MiB)."`
	MaxSearches     int           `name:"max-searches" default:"64" help:"Searches in work or waiting; more are answered 429. Defaults to 64."`
	SearchDeadline  time.Duration `name:"search-deadline" default:"2s" help:"Time a search may take when the request names none; what is not reranked by then keeps the bi-encoder's order. Defaults to 2s."`
	ShutdownTimeout time.Duration `name:"shutdown-timeout" default:"20s" help:"Time for requests and jobs in work to end after SIGTERM. Defaults to 20s."`

	LoopbackWithoutKey bool   `name:"loopback-without-key" default:"true" negatable:"" help:"Requests from this machine need no API key. Turn it off behind a reverse proxy on the same host. Defaults to true."`
	LogLevel           string `name:"log-level" enum:"debug,info,warn,error" default:"info" help:"Least severe log lines to write. Defaults to info."`
	LogFormat          string `name:"log-format" enum:"text,json" default:"text" help:"Form of log lines on standard error. Defaults to text."`
}
