# A real Milvus 2.3.5 (standalone, embedded etcd, local storage) from the Python package milvus, in place of the
# published image where none can be pulled.
FROM golang:1.26.8-trixie
RUN apt-get update && apt-get install --yes --no-install-recommends curl libgomp1 python3-venv && rm -rf /var/lib/apt/lists/*
COPY .setup /milvus/.setup
RUN /milvus/.setup/venv milvus-server
ENV PATH=/milvus/.deps/milvus-server/bin:$PATH
EXPOSE 19530 9091
CMD ["milvus-server", "--data", "/var/lib/milvus", "--proxy-port", "19530"]
