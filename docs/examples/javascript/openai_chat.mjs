// Cited answers with OpenAI's client: the model's name is the collection's. Needs: npm install openai
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.REDKITE_SERVER + "/v1", apiKey: process.env.REDKITE_API_KEY });
const messages = [{ role: "user", content: "Which bird has a forked tail?" }];

const answer = await client.chat.completions.create({ model: "birds", messages });
assert.match(answer.choices[0].message.content, /\[1\]/);
console.log("chat.completions.create:", answer.choices[0].message.content);

let text = "";
for await (const chunk of await client.chat.completions.create({ model: "birds", messages, stream: true })) {
	text += chunk.choices[0]?.delta?.content ?? "";
}
assert.match(text, /\[1\]/);
console.log("chat.completions.create, streamed:", text);
