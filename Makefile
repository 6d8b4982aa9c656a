# redkite: what to do with a clone. `make help` lists it all.
# Everything fetched or built for it lies under .deps/, made by the scripts in .setup/ and pinned there by sha256.

SHELL := /bin/sh
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# The linker finds libtokenizers.a here; ONNX Runtime is opened at run time, by path.
export CGO_LDFLAGS := $(CGO_LDFLAGS) "-L$(CURDIR)/.deps/lib"
SHARED := $(if $(filter Darwin,$(shell uname -s)),dylib,so)
REDKITE_ONNXRUNTIME_LIBRARY ?= $(CURDIR)/.deps/lib/libonnxruntime.$(SHARED)
export REDKITE_ONNXRUNTIME_LIBRARY

# Packages whose tests need neither C nor anything under .deps/, and those also run under the race detector.
PURE = $(shell go list ./internal/... ./docs/... | grep -vE '/(app|blob|milvus|onnx|tokenizer)$$')
RACE ?= $(shell go list ./internal/... | grep -vE '/app$$')

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

##
## Use
##

.PHONY: demo
demo: build ## Ingest a sample and search it, start to end (DOCS=folder for your own, KEEP=1 to leave it running)
	bin/redkite-demo

.PHONY: run
run: build ## Serve the API on this machine, with its data in ./data
	bin/redkite serve

.PHONY: up
up: ## Start redkite with a Milvus server in containers (docs/compose.md)
	docker compose up --detach --build --wait

.PHONY: down
down: ## Stop those containers; their volumes stay
	docker compose down

##
## Build
##

.PHONY: deps
deps: ## Fetch the libraries and the embedded Milvus into .deps/
	@.setup/check
	@.setup/tokenizers
	@.setup/onnxruntime
	@.setup/venv milvus-lite

.PHONY: build
build: deps ## Build bin/redkite and bin/redkite-demo
	@mkdir -p bin
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/redkite ./cmd/redkite
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/redkite-demo ./cmd/demo

.PHONY: clean
clean: ## Remove what was built (.deps/ and ./data stay)
	rm -rf bin coverage.out

##
## Check
##

.PHONY: deps-test
deps-test: deps ## Fetch what only the tests need: a Milvus server, an S3 server, a fuzzer, other projects' clients
	@.setup/check tests
	@.setup/venv milvus-server
	@.setup/venv python
	@.setup/venv contract
	@.setup/venv clients
	@.setup/venv llamaindex
	@.setup/node
	@.setup/versitygw

.PHONY: test
test: deps deps-test ## Run every test
	go vet ./...
	go test -timeout 20m ./...

.PHONY: bench
bench: build ## Measure the encoders, and searches of a server where DATA=<labelled set> is given
	go test -run '^$$' -bench . ./internal/bert ./internal/onnx ./internal/catalog
	[ -z "$(DATA)" ] || .setup/bench "$(DATA)"

.PHONY: eval
eval: build ## Measure retrieval on labelled sets and write docs/quality.md (DATA="<folders in BEIR's layout>")
	@[ -n "$(DATA)" ] || { echo "say DATA=\"<folders in BEIR's layout>\"; docs/evaluation.md tells where to get some"; exit 2; }
	.setup/eval $(DATA)

.PHONY: chunking
chunking: build ## Compare ways of cutting documents (DATA=<labelled set>, FLAGS= of redkite compare)
	@[ -n "$(DATA)" ] || { echo "say DATA=<labelled set in BEIR's layout>"; exit 2; }
	.setup/chunking "$(DATA)" $(FLAGS)

.PHONY: formats
formats: build ## Read the files in FILES=<folders> and print what became of them; `.setup/samples FOLDER` makes some
	@[ -n "$(FILES)" ] || { echo "say FILES=<folders>"; exit 2; }
	@.setup/formats $(FILES)

# BI_FP32 and CROSS_FP32 are the bundled models' fp32 exports (their README.md says where from), DATA a set in BEIR's layout.
PEERS = .deps/peers/bin/python models/peers/run.py --data "$(DATA)" --hugot bin/hugot-peer $(if $(INFINITY),--infinity "$(INFINITY)")
.PHONY: bench-peers
bench-peers: build ## Time other projects' encoders beside these (DATA=folder, BI_FP32=file and CROSS_FP32=file, INFINITY=a Python that has it)
	@[ -n "$(DATA)" ] && [ -n "$(BI_FP32)$(CROSS_FP32)" ] || { \
		echo "say DATA=<labelled set> and BI_FP32=<export>, CROSS_FP32=<export> or both; docs/performance.md tells what they are"; exit 2; }
	@.setup/venv peers
	cd models/peers/hugot && go build -tags ORT -o ../../../bin/hugot-peer .
	[ -z "$(CROSS_FP32)" ] || $(PEERS) --kind cross-encoder --fp32 "$(CROSS_FP32)" \
		--tokenizer models/redkite-reranker-small-en/tokenizer.json --int8 models/redkite-reranker-small-en/model.onnx
	[ -z "$(BI_FP32)" ] || $(PEERS) --kind bi-encoder --fp32 "$(BI_FP32)" \
		--tokenizer models/bge-small-en-v1.5/tokenizer.json --int8 models/bge-small-en-v1.5/model.onnx

ROUNDS ?= 200
SEED ?= 1
CATALOG ?=
.PHONY: chaos
chaos: deps deps-test ## Kill processes, break the network, fill the disk, and check what clients were promised (ROUNDS=, SEED=, CATALOG=sqlite or postgres)
	go test ./internal/app -run TestChaos -count 1 -timeout 180m -v -args -chaos.rounds $(ROUNDS) -chaos.seed $(SEED) \
		-chaos.network $$(( ($(ROUNDS) + 3) / 4 )) -chaos.disk $$(( ($(ROUNDS) + 9) / 10 )) $(if $(CATALOG),-chaos.catalog $(CATALOG))

CONTRACT_TIME ?= 10m
.PHONY: contract
contract: deps deps-test ## Fuzz a running server by its OpenAPI document, with either catalog (CONTRACT_TIME= for each)
	go test ./internal/app -run TestContract -count 1 -timeout 180m -v -args -contract.time $(CONTRACT_TIME) -contract.postgres $(CONTRACT_TIME)

.PHONY: test-pure
test-pure: ## Build and test without cgo: needs nothing but Go
	CGO_ENABLED=0 go build ./...
	CGO_ENABLED=0 go test $(PURE)

.PHONY: test-race
test-race: deps deps-test ## Run tests under the race detector (RACE=packages)
	go test -race -timeout 30m $(RACE)

.PHONY: lint
lint: deps ## Check the format and look for mistakes
	@unformatted=$$(git ls-files '*.go' | xargs gofmt -l); \
		[ -z "$$unformatted" ] || { echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	@if command -v shellcheck >/dev/null; then echo shellcheck; \
		shellcheck -x -P SCRIPTDIR .setup/bench .setup/check .setup/chunking .setup/eval .setup/onnxruntime .setup/node .setup/pin .setup/tokenizers .setup/venv .setup/versitygw .setup/standin/bases .setup/standin/trial .ci/run; \
		else echo "shellcheck is not installed: shell scripts not checked"; fi

.PHONY: fmt
fmt: ## Format the Go files
	git ls-files '*.go' | xargs gofmt -w

.PHONY: verify
verify: lint test-pure test ## Everything CI runs
