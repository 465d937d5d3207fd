#!/usr/bin/env bash
# Tests the HTTP API against the document that it serves of itself, with thousands of requests that nobody thought of.
#
# The program must have been built; setup.sh installs schemathesis. CASES sets how many requests each path gets.
set -euo pipefail
cd "$(dirname "$0")/../.."

# shellcheck source=deploy/local/nodes.sh
source deploy/local/nodes.sh
schemathesis=$(realpath "${CARGO_TARGET_DIR:-target}")/tools/python/bin/schemathesis

if [[ ! -x $schemathesis ]]; then
  echo "schemathesis is missing: make setup installs it" >&2
  exit 1
fi

# Without a limit on its rate, so that it is refused for what it sends and nothing else.
"$madang" key tester --right read --right publish --room '*' >"$scratch/keys.toml" 2>"$scratch/key"
echo 'requests_per_second = 0' >>"$scratch/keys.toml"

start_redis
MADANG_API__KEYS_FILE=$scratch/keys.toml start_node node-1 127.0.0.1:0 127.0.0.1:0
read_addresses node-1

status=0
config=$PWD/tests/tools/schemathesis.toml
# It writes what it has found into the directory that it runs in.
(
  cd "$scratch"
  "$schemathesis" --config-file "$config" run "${node_urls[0]}/api/v1/openapi.json" \
    --url "${node_urls[0]}" -H "Authorization: Bearer $(<key)" -n "${CASES:-50}" --continue-on-failure
) || status=1

if grep -hE '"level":"ERROR"|panicked' "$scratch"/node-*.log; then
  echo "the node should have had nothing to complain about" >&2
  status=1
fi
# Counted as one test beside the others.
((status)) && echo "0 passed, 1 failed" || echo "1 passed, 0 failed"
exit "$status"
