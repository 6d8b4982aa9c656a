"""redkite's embeddings in LlamaIndex. Needs: pip install llama-index-embeddings-openai-like"""
import os

from llama_index.embeddings.openai_like import OpenAILikeEmbedding

embedding = OpenAILikeEmbedding(model_name="bge-small-en-v1.5", api_base=os.environ["REDKITE_SERVER"] + "/v1", api_key=os.environ["REDKITE_API_KEY"])
kite, robin = embedding.get_text_embedding_batch(["The red kite has a forked tail.", "Robins sing at night."])
question = embedding.get_query_embedding("Which bird has a forked tail?")
assert embedding.similarity(question, kite) > embedding.similarity(question, robin)
print("OpenAILikeEmbedding: vectors of", len(kite))
