"""A LlamaIndex retriever over a collection, by the native API. Needs: pip install llama-index-core"""
import json
import os
import urllib.parse
import urllib.request

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode


class Redkite(BaseRetriever):
    def __init__(self, server, key, collection, top_k=10, filter=None):
        super().__init__()
        self.address = f"{server}/api/v1/collections/{urllib.parse.quote(collection, safe='')}/search"
        self.key, self.top_k, self.filter = key, top_k, filter

    def _retrieve(self, query_bundle):
        question = {"query": query_bundle.query_str, "top_k": self.top_k}
        if self.filter:
            question["filter"] = self.filter
        headers = {"Content-Type": "application/json", "Authorization": "Bearer " + self.key}
        request = urllib.request.Request(self.address, json.dumps(question).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            hits = json.load(answer)["hits"]
        return [
            NodeWithScore(node=TextNode(text=hit["text"], metadata=hit["metadata"] | {"document_id": hit["document_id"]}), score=hit["scores"]["relevance"])
            for hit in hits
        ]


if __name__ == "__main__":
    retriever = Redkite(os.environ["REDKITE_SERVER"], os.environ["REDKITE_API_KEY"], "birds", filter={"type": "eq", "key": "year", "value": 1758})
    found = retriever.retrieve("Which bird has a forked tail?")
    assert found[0].metadata["document_id"] == "kite", found
    print("retriever.retrieve:", found[0].text)
