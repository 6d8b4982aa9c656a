// Embeddings, files and vector stores with OpenAI's client. Needs: npm install openai
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: process.env.REDKITE_SERVER + "/v1", apiKey: process.env.REDKITE_API_KEY });

const vectors = await client.embeddings.create({ model: "bge-small-en-v1.5", input: ["a bird of prey", "a fish"] });
console.log("embeddings.create:", vectors.data.length, "vectors of", vectors.data[0].embedding.length);

const file = await client.files.create({ file: await toFile(Buffer.from("# Red kite\n\nIt has a forked tail."), "kite.md"), purpose: "assistants" });
const store = await client.vectorStores.create({ name: "javascript-birds" });
const added = await client.vectorStores.files.createAndPoll(store.id, { file_id: file.id, attributes: { year: 1758 } });
assert.equal(added.status, "completed");
console.log("vectorStores.files.createAndPoll:", added.status);

const found = await client.vectorStores.search(store.id, { query: "Which bird has a forked tail?", filters: { type: "eq", key: "year", value: 1758 } });
assert.equal(found.data[0].filename, "kite.md");
console.log("vectorStores.search:", found.data[0].content[0].text);

await assert.rejects(client.vectorStores.retrieve("vs_999999"), { status: 404 });
console.log("vectorStores.retrieve of none: 404");

await client.vectorStores.delete(store.id);
await client.files.delete(file.id);
console.log("vectorStores.delete, files.delete: done");
