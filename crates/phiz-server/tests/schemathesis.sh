#!/bin/sh
# Sends what schemathesis makes of the OpenAPI document to a server of its own: no 5xx, no answer that is not described. The gallery
# has the fixtures' people and photos, so that the ids of the document's examples stand for something.
#   python3 -m venv venv && venv/bin/pip install schemathesis
#   SCHEMATHESIS=venv/bin/schemathesis PHIZ=target/debug/phiz sh crates/phiz-server/tests/schemathesis.sh
#   … --phases fuzzing,stateful --max-time 280 --continue-on-failure
set -eu
home=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$home"' EXIT
fixtures=$(dirname "$0")/../../../fixtures
"${PHIZ:-phiz}" enroll --small --quiet --home "$home" "$fixtures/people" >/dev/null
"${PHIZ:-phiz}" scan --small --quiet --home "$home" "$fixtures" >/dev/null || [ $? = 1 ]
key=$("${PHIZ:-phiz}" key new --home "$home" --scope admin)
"${PHIZ:-phiz}" serve --small --home "$home" --listen 127.0.0.1:0 --json --set requests_per_second=100000 \
    >"$home/started" 2>"$home/log" &
server=$!
for _ in $(seq 100); do [ -s "$home/started" ] && break; sleep 0.2; done
address=$(sed 's/.*"address":"\([^"]*\)".*/\1/' "$home/started")
# Purging and ending other sessions are left to the other tests; events do not end by themselves.
# A full queue of jobs is answered by 503, as the document says.
printf '[checks]\nnot_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503"]\n' >"$home/schemathesis.toml"
"${SCHEMATHESIS:-schemathesis}" --config-file "$home/schemathesis.toml" run "http://$address/v1/openapi.json" \
    --header "Authorization: Bearer $key" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --request-timeout 60 --max-examples "${EXAMPLES:-30}" --exclude-path-regex '/v1/((jobs|streams)/.*/(events|preview)|keys.*)' "$@"
if grep -q "panicked" "$home/log"; then echo "the server panicked:"; grep panicked "$home/log"; exit 1; fi
