"""Reranking with Cohere's clients, version 2 and version 1 of the API. Needs: pip install cohere"""
import os

import cohere

server, key = os.environ["REDKITE_SERVER"], os.environ["REDKITE_API_KEY"]
model = "redkite-reranker-small-en"
question = "Which bird has a forked tail?"
documents = ["Penguins huddle together.", "The red kite has a forked tail.", "Robins sing at night."]

ranked = cohere.ClientV2(api_key=key, base_url=server).rerank(model=model, query=question, documents=documents, top_n=2)
assert [result.index for result in ranked.results][0] == 1 and len(ranked.results) == 2, ranked
print("ClientV2.rerank:", [(result.index, round(result.relevance_score, 2)) for result in ranked.results])

ranked = cohere.Client(api_key=key, base_url=server).rerank(model=model, query=question, documents=documents, return_documents=True)
assert ranked.results[0].document.text == documents[1], ranked
print("Client.rerank with return_documents:", ranked.results[0].document.text)

try:
    cohere.ClientV2(api_key=key, base_url=server).rerank(model="none", query=question, documents=documents)
    raise AssertionError("a model that is not there was taken")
except cohere.errors.NotFoundError as refused:
    print("ClientV2.rerank with an unknown model:", refused.status_code)
