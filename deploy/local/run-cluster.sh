#!/usr/bin/env bash
# Runs three nodes on one Redis, on ports 8081 to 8083, until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --locked

# shellcheck source=deploy/local/nodes.sh
source deploy/local/nodes.sh
export MADANG_LOG__FORMAT=text

start_redis
for number in 1 2 3; do
  name=node-$number
  start_node "$name" "127.0.0.1:808$number" "127.0.0.1:909$number"
  # Ends after this script, with the last words of the node.
  set -m
  tail --pid=$$ -n +1 -f "$scratch/$name.log" | sed -u "s/^/$name | /" &
  set +m
done

cat <<TEXT

Three nodes chat through one Redis:
  http://localhost:8081
  http://localhost:8082
  http://localhost:8083
The rooms with members: redis-cli -p $redis_port pubsub channels 'madang:{*'
The log of a room:      redis-cli -p $redis_port xrange 'madang:{ROOM}:log' - +
Probes and metrics are on ports 9091 to 9093. Ctrl-C ends all.

TEXT

# A process that ends by itself is a fault.
status=0
wait -n "$redis_pid" "${node_pids[@]}" || status=$?
echo "one of the processes ended by itself with status $status; ending the others" >&2
exit 1
