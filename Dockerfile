# redkite's server for use with an external Milvus (docker-compose.yml): the binary, ONNX Runtime's library and the
# bundled models. No shell is needed at run time, no Python; the root file system may be read-only.

FROM golang:1.26.8-trixie AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY .setup .setup
RUN .setup/onnxruntime
COPY go.mod go.sum ./
# Where the ready-made libtokenizers.a cannot be downloaded, cargo builds it.
RUN .setup/tokenizers || { apt-get update && apt-get install --yes --no-install-recommends cargo && .setup/tokenizers; }
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_LDFLAGS=-L/src/.deps/lib go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /out/redkite ./cmd/redkite \
	&& mkdir -p /out/data

FROM debian:trixie-20260918-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates libstdc++6 && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/.deps/lib/libonnxruntime.so /usr/local/lib/libonnxruntime.so
COPY models /models
COPY --from=build /out/redkite /redkite
# A named volume mounted at /data takes over this owner.
COPY --from=build --chown=65532:65532 /out/data /data
ENV REDKITE_ADDRESS=0.0.0.0:8080 \
	REDKITE_DATA=/data \
	REDKITE_MODELS=/models \
	REDKITE_ONNXRUNTIME_LIBRARY=/usr/local/lib/libonnxruntime.so \
	REDKITE_LOG_FORMAT=json
USER 65532:65532
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["/redkite", "probe"]
ENTRYPOINT ["/redkite"]
CMD ["serve"]
