"""Cited answers in LlamaIndex. Needs: pip install llama-index-llms-openai-like"""
import os

from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

llm = OpenAILike(model="birds", api_base=os.environ["REDKITE_SERVER"] + "/v1", api_key=os.environ["REDKITE_API_KEY"], is_chat_model=True)
question = [ChatMessage(role="user", content="Which bird has a forked tail?")]
answer = llm.chat(question)
assert "[1]" in answer.message.content, answer
print("OpenAILike.chat:", answer.message.content)
text = "".join(part.delta or "" for part in llm.stream_chat(question))
assert "[1]" in text, text
print("OpenAILike.stream_chat:", text)
