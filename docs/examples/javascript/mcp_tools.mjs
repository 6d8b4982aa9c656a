// The tools over MCP, with the SDK that the MCP inspector is built on. Needs: npm install @modelcontextprotocol/sdk
import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const client = new Client({ name: "example", version: "1" });
await client.connect(new StreamableHTTPClientTransport(new URL(process.env.REDKITE_SERVER + "/mcp"), {
	requestInit: { headers: { Authorization: "Bearer " + process.env.REDKITE_API_KEY } },
}));

const { tools } = await client.listTools();
console.log("listTools:", tools.map((tool) => tool.name).sort().join(" "));

const found = await client.callTool({ name: "search", arguments: { query: "Which bird has a forked tail?" } });
const first = found.structuredContent.results[0];
assert.deepEqual(JSON.parse(found.content[0].text), found.structuredContent);
console.log("callTool search:", first.id, first.title);

const document = await client.callTool({ name: "fetch", arguments: { id: first.id } });
assert.match(document.structuredContent.text, /forked tail/);
console.log("callTool fetch:", document.structuredContent.text);

const refused = await client.callTool({ name: "fetch", arguments: { id: "none" } });
assert.ok(refused.isError);
console.log("callTool fetch of none:", refused.content[0].text);
await client.close();
