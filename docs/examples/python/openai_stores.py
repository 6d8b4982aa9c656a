"""Embeddings, files and vector stores with OpenAI's client. Needs: pip install openai"""
import os

from openai import NotFoundError, OpenAI

client = OpenAI(base_url=os.environ["REDKITE_SERVER"] + "/v1", api_key=os.environ["REDKITE_API_KEY"])

vectors = client.embeddings.create(model="bge-small-en-v1.5", input=["a bird of prey", "a fish"])
print("embeddings.create:", len(vectors.data), "vectors of", len(vectors.data[0].embedding))

file = client.files.create(file=("kite.md", b"# Red kite\n\nIt has a forked tail and soars over farmland."), purpose="assistants")
store = client.vector_stores.create(name="openai-birds")
added = client.vector_stores.files.create_and_poll(file_id=file.id, vector_store_id=store.id, attributes={"year": 1758})
assert added.status == "completed", added
print("vector_stores.files.create_and_poll:", added.status)

batch = client.vector_stores.file_batches.upload_and_poll(
    vector_store_id=store.id, files=[("robin.md", b"The robin sings at night."), ("owl.md", b"Owls hunt mice in the dark.")]
)
assert batch.file_counts.completed == 2, batch
print("vector_stores.file_batches.upload_and_poll:", batch.status)

found = client.vector_stores.search(store.id, query="Which bird has a forked tail?", filters={"type": "eq", "key": "year", "value": 1758})
assert [hit.filename for hit in found] == ["kite.md"], found
print("vector_stores.search:", found.data[0].content[0].text)

assert "openai-birds" in [model.id for model in client.models.list()]
print("models.list: the collection is among them")

try:
    client.vector_stores.retrieve("vs_999999")
    raise AssertionError("a vector store that is not there was found")
except NotFoundError as refused:
    print("vector_stores.retrieve of none:", refused.status_code)

client.vector_stores.delete(store.id)
client.files.delete(file.id)
print("vector_stores.delete, files.delete: done")
