#!/bin/sh
# Makes a collection, uploads a file and a text, searches, and packs passages for a prompt. Needs curl.
# REDKITE_SERVER and REDKITE_API_KEY say where the server is and who asks.
set -eu
B=${REDKITE_SERVER:-http://127.0.0.1:8080}/api/v1
J='Content-Type: application/json'
A="Authorization: Bearer $REDKITE_API_KEY"
say() { printf '\n%s: ' "$1"; }

say 'POST collections'
curl -fsS -H "$A" -H "$J" "$B/collections" -d '{"name":"curl-birds","fields":[{"name":"year","type":"int"}]}'

say 'POST documents, a file'
printf '# Robin\n\nThe robin sings at night.\n' |
	curl -fsS -H "$A" "$B/collections/curl-birds/documents?wait=60s" -F 'metadata={"year":1758}' -F 'file=@-;filename=robin.md'

say 'POST documents, JSON'
curl -fsS -H "$A" -H "$J" "$B/collections/curl-birds/documents?wait=60s" -d '{"documents":[{"id":"kite","title":"Red kite","text":"It has a forked tail.","metadata":{"year":1758}}]}'

say 'POST search'
curl -fsS -H "$A" -H "$J" "$B/collections/curl-birds/search" -d '{"query":"Which bird has a forked tail?","top_k":1,"filter":{"type":"eq","key":"year","value":1758}}' |
	grep '"document_id":"kite"'

say 'POST context'
curl -fsS -H "$A" -H "$J" "$B/collections/curl-birds/context" -d '{"query":"Which bird has a forked tail?","max_tokens":200}' |
	grep 'forked tail'

say 'DELETE collection'
curl -fsS -H "$A" -X DELETE "$B/collections/curl-birds"
echo
