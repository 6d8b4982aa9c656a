"""A LangChain retriever over a collection, by the native API. Needs: pip install langchain-core"""
import json
import os
import urllib.parse
import urllib.request

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever


class Redkite(BaseRetriever):
    server: str
    key: str
    collection: str
    top_k: int = 10
    filter: dict | None = None

    def _get_relevant_documents(self, query, *, run_manager):
        question = {"query": query, "top_k": self.top_k}
        if self.filter:
            question["filter"] = self.filter
        request = urllib.request.Request(
            f"{self.server}/api/v1/collections/{urllib.parse.quote(self.collection, safe='')}/search",
            json.dumps(question).encode(),
            {"Content-Type": "application/json", "Authorization": "Bearer " + self.key},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            hits = json.load(answer)["hits"]
        return [
            Document(page_content=hit["text"], metadata=hit["metadata"] | {"document_id": hit["document_id"], "title": hit["title"], "span": hit["span"]})
            for hit in hits
        ]


if __name__ == "__main__":
    retriever = Redkite(server=os.environ["REDKITE_SERVER"], key=os.environ["REDKITE_API_KEY"], collection="birds", filter={"type": "eq", "key": "year", "value": 1758})
    found = retriever.invoke("Which bird has a forked tail?")
    assert found[0].metadata["document_id"] == "kite", found
    print("retriever.invoke:", found[0].page_content)
