#!/usr/bin/env bash
# Tests the page in a real browser on three nodes and one Redis, then the metrics that the nodes have by then.
#
# The tests get the nodes' addresses in MADANG_URLS, separated by commas, and program and Redis for nodes that they kill
# in TEST_BINARY and TEST_REDIS. The program must have been built.
set -euo pipefail
cd "$(dirname "$0")/../.."

# shellcheck source=deploy/local/nodes.sh
source deploy/local/nodes.sh
PATH=$PATH:$(realpath "${CARGO_TARGET_DIR:-target}")/tools

if ! command -v promtool >/dev/null; then
  echo "promtool is missing: make setup takes it out of the package prometheus" >&2
  exit 1
fi

start_redis
for name in node-1 node-2 node-3; do
  start_node "$name" 127.0.0.1:0 127.0.0.1:0
  read_addresses "$name"
done

status=0
MADANG_URLS=$(IFS=, && echo "${node_urls[*]}") TEST_BINARY=$madang TEST_REDIS=redis://127.0.0.1:$redis_port \
  node --test --test-reporter=spec --test-concurrency=1 tests/web/browser/*.test.mjs || status=$?

for url in "${node_internal_urls[@]}"; do
  echo "promtool check metrics: $url/metrics"
  node --input-type=module -e 'process.stdout.write(await (await fetch(process.argv[1])).text())' "$url/metrics" \
    >"$scratch/metrics.txt"
  promtool check metrics <"$scratch/metrics.txt" || status=$?
done

if ((status)); then
  echo "what the nodes logged beside the usual:" >&2
  grep -hE '"level":"(WARN|ERROR)"|panicked' "$scratch"/node-*.log | tail -n 50 >&2 || true
fi
exit "$status"
