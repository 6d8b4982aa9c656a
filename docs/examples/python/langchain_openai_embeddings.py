"""redkite's embeddings in LangChain. Needs: pip install langchain-openai"""
import os

from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import OpenAIEmbeddings

embeddings = OpenAIEmbeddings(
    model="bge-small-en-v1.5",
    base_url=os.environ["REDKITE_SERVER"] + "/v1",
    api_key=os.environ["REDKITE_API_KEY"],
    check_embedding_ctx_length=False,  # else it sends token ids, of another model's vocabulary
)
store = InMemoryVectorStore(embeddings)
store.add_texts(["The red kite has a forked tail.", "Robins sing at night.", "Penguins huddle together."])
found = store.similarity_search("Which bird has a forked tail?", k=1)
assert "kite" in found[0].page_content, found
print("OpenAIEmbeddings, similarity_search:", found[0].page_content)
