"""Cited answers with OpenAI's client: the model's name is the collection's. Needs: pip install openai"""
import os

from openai import OpenAI

client = OpenAI(base_url=os.environ["REDKITE_SERVER"] + "/v1", api_key=os.environ["REDKITE_API_KEY"])
question = [{"role": "user", "content": "Which bird has a forked tail?"}]

answer = client.chat.completions.create(model="birds", messages=question)
assert "[1]" in answer.choices[0].message.content, answer
print("chat.completions.create:", answer.choices[0].message.content)

text, sources = "", None
for chunk in client.chat.completions.create(model="birds", messages=question, stream=True, stream_options={"include_usage": True}):
    for choice in chunk.choices:
        text += choice.delta.content or ""
    sources = (chunk.model_extra or {}).get("sources") or sources
assert "[1]" in text, text
print("chat.completions.create, streamed:", text, "| sources:", "given" if sources else "not given")
