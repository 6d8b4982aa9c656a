"""Cited answers in LangChain. Needs: pip install langchain-openai"""
import os

from langchain_openai import ChatOpenAI

chat = ChatOpenAI(model="birds", base_url=os.environ["REDKITE_SERVER"] + "/v1", api_key=os.environ["REDKITE_API_KEY"])
answer = chat.invoke("Which bird has a forked tail?")
assert "[1]" in answer.content, answer
print("ChatOpenAI.invoke:", answer.content)
text = "".join(chunk.content for chunk in chat.stream("Which bird has a forked tail?"))
assert "[1]" in text, text
print("ChatOpenAI.stream:", text)
