"""The tools over MCP, with the Python client. Needs: pip install mcp"""
import asyncio
import json
import os

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client


async def main():
    http = create_mcp_http_client(headers={"Authorization": "Bearer " + os.environ["REDKITE_API_KEY"]})
    async with http, Client(streamable_http_client(os.environ["REDKITE_SERVER"] + "/mcp", http_client=http)) as client:
        tools = await client.list_tools()
        print("list_tools:", *sorted(tool.name for tool in tools.tools))

        found = await client.call_tool("search", {"query": "Which bird has a forked tail?"})
        first = found.structured_content["results"][0]
        assert json.loads(found.content[0].text) == found.structured_content
        print("call_tool search:", first["id"], first["title"])

        document = await client.call_tool("fetch", {"id": first["id"]})
        assert "forked tail" in document.structured_content["text"], document
        print("call_tool fetch:", document.structured_content["text"])

        passages = await client.call_tool("search_documents", {"collection": "birds", "query": "tail", "filter": {"type": "eq", "key": "year", "value": 1758}})
        around = passages.structured_content["passages"][0]
        print("call_tool search_documents:", around["title"])
        chunks = await client.call_tool("read_neighbours", {"collection": "birds", "document_id": around["document_id"], "chunk_id": around["chunk_id"]})
        print("call_tool read_neighbours:", chunks.structured_content["total"], "chunk")

        refused = await client.call_tool("fetch", {"id": "none"})
        assert refused.is_error
        print("call_tool fetch of none:", refused.content[0].text)


asyncio.run(main())
