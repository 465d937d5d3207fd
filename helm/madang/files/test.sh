#!/bin/sh
# Tries the user of the chat on a Redis: its own keys work, and nothing else does.
set -euf
cli=redis-cli
command -v "$cli" >/dev/null || cli=valkey-cli
REDISCLI_AUTH=$(cat "/run/secrets/redis/$PASSWORD_KEY")
export REDISCLI_AUTH
failed=0

ask() {
  "$cli" -h "$REDIS_HOST_NAME" --user madang "$@" 2>&1
}

expect() {
  wanted=$1
  shift
  answer=$(ask "$@" || true)
  case $answer in
  *"$wanted"*) echo "ok: $* gives $wanted" ;;
  *)
    echo "FAILED: $* gives $answer, not $wanted"
    failed=1
    ;;
  esac
}

expect PONG ping
expect OK set "$PREFIX:test" 1 ex 10
expect NOPERM get foreign
expect NOPERM set foreign 1
expect NOPERM publish foreign 1
expect NOPERM flushall
expect NOPERM keys '*'
expect NOPERM config get dir
expect NOPERM acl list
expect NOPERM client list
expect aof_enabled:1 info persistence
expect maxmemory_policy:noeviction info memory
unset REDISCLI_AUTH
answer=$("$cli" -h "$REDIS_HOST_NAME" ping 2>&1 || true)
case $answer in
NOAUTH*) echo "ok: nobody is let in without a password" ;;
*)
  echo "FAILED: without a password Redis says $answer"
  failed=1
  ;;
esac
exit $failed
