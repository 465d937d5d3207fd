# Functions that run Redis and nodes on this machine, for scripts to source.
#
# All listen on the loopback interface only, keep their files below one scratch directory, and end by their process
# ids when the script ends, however it ends.

# The program; a script that sources this file has built it.
madang=${CARGO_TARGET_DIR:-target}/debug/madang
scratch=$(mktemp -d "${TMPDIR:-/tmp}/madang.XXXXXX")
redis_pid=
redis_port=
node_pids=()
node_urls=()
node_internal_urls=()

# Each child is started under `set -m`, which gives it a process group of its own: Ctrl-C reaches only the script, which
# ends them in order.

trap end_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Ends the nodes, then Redis, and removes what they wrote.
end_all() {
  trap '' INT TERM HUP
  # An interrupted node leaves at once; a terminated one would wait for load balancers.
  if ((${#node_pids[@]})); then
    kill -INT "${node_pids[@]}" 2>/dev/null || true
    wait "${node_pids[@]}" 2>/dev/null || true
  fi
  if [[ $redis_pid ]]; then
    kill -TERM "$redis_pid" 2>/dev/null || true
    wait "$redis_pid" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}

# Waits until a file has a line with a text: wait_for_line PID FILE TEXT. Fails if the process ends before, or after 20 s.
wait_for_line() {
  local deadline=$((SECONDS + 20))
  until grep -qsF "$3" "$2"; do
    if ! kill -0 "$1" 2>/dev/null || ((SECONDS > deadline)); then
      return 1
    fi
    sleep 0.05
  done
}

# Starts Redis on a free port, which is then $redis_port; it keeps nothing on disk.
start_redis() {
  if ! command -v redis-server >/dev/null; then
    echo "redis-server is missing: install it (Debian: apt-get install redis-server), or make setup" >&2
    return 1
  fi
  local log=$scratch/redis.log
  for _ in {1..20}; do
    # Below the ports that the kernel gives to outgoing links.
    redis_port=$((20000 + RANDOM % 12000))
    set -m
    redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --appendonly no --dir "$scratch" >"$log" 2>&1 &
    set +m
    redis_pid=$!
    if wait_for_line "$redis_pid" "$log" 'Ready to accept connections'; then
      return
    fi
  done
  echo "redis-server does not start:" >&2
  cat "$log" >&2
  return 1
}

# Starts a node on that Redis: start_node NAME LISTEN INTERNAL_LISTEN. Port 0 is any free one.
start_node() {
  local log=$scratch/$1.log pid
  set -m
  MADANG_SERVER__NODE_NAME=$1 MADANG_SERVER__LISTEN=$2 MADANG_SERVER__INTERNAL_LISTEN=$3 \
    MADANG_REDIS__URL=redis://127.0.0.1:$redis_port MADANG_LOG__FORMAT=${MADANG_LOG__FORMAT:-json} \
    "$madang" >"$log" 2>&1 &
  set +m
  pid=$!
  node_pids+=("$pid")
  if ! wait_for_line "$pid" "$log" 'madang serves'; then
    echo "the node $1 does not start:" >&2
    cat "$log" >&2
    return 1
  fi
}

# Takes the addresses of a node from the line that it logs when it serves: read_addresses NAME.
read_addresses() {
  local line
  line=$(grep -F 'madang serves' "$scratch/$1.log")
  node_urls+=("http://$(sed -E 's/.*"address":"([^"]+)".*/\1/' <<<"$line")")
  node_internal_urls+=("http://$(sed -E 's/.*"internal_address":"([^"]+)".*/\1/' <<<"$line")")
}
