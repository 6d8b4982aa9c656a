"""redkite's embeddings in LangChain. Needs: pip install langchain-openai"""
import os

from langchain_openai import OpenAIEmbeddings

embeddings = OpenAIEmbeddings(
    model="bge-small-en-v1.5",
    base_url=os.environ["REDKITE_SERVER"] + "/v1",
    api_key=os.environ["REDKITE_API_KEY"],
    check_embedding_ctx_length=False,  # else it sends token ids, of another model's vocabulary
)
texts = ["Penguins huddle together.", "The red kite has a forked tail.", "Robins sing at night."]
vectors = embeddings.embed_documents(texts)
question = embeddings.embed_query("Which bird has a forked tail?")
cosine = [sum(a * b for a, b in zip(question, vector)) for vector in vectors]  # the vectors have unit length
assert cosine.index(max(cosine)) == 1, cosine
print("OpenAIEmbeddings.embed_documents, embed_query:", texts[1])
