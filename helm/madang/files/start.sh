#!/bin/sh
# start.sh serve: writes the users of Redis, starts it, and hands it what changes in their files.
# start.sh prepare: only writes what the exporter needs. start.sh alive, start.sh ready: the probes.
set -euf
umask 077
config=/etc/redis
secrets=/run/secrets/redis
run=/run/redis
# What the exporter may see too.
shared=/run/exporter
server=redis-server
cli=redis-cli
if ! command -v "$server" >/dev/null; then
  server=valkey-server
  cli=valkey-cli
fi

hash() {
  printf %s "$1" | sha256sum | cut -d ' ' -f 1
}

# A password that only this pod knows; a new container of the pod finds the old one.
own_password() {
  [ -s "$1" ] || head -c 32 /dev/urandom | sha256sum | cut -d ' ' -f 1 >"$1"
  cat "$1"
}

passwords() {
  if [ ! -s "$secrets/$PASSWORD_KEY" ]; then
    echo "The Secret has no password under the key $PASSWORD_KEY; set it, or redis.auth.existingSecretPasswordKey." >&2
    return 1
  fi
  for file in "$secrets/$PASSWORD_KEY" "$secrets/$PASSWORD_KEY-previous"; do
    if [ -s "$file" ]; then
      printf '#%s ' "$(hash "$(cat "$file")")"
    fi
  done
}

# Only what Redis 6.2 knows is named: an unknown name keeps Redis from starting.
users() {
  chat=$(passwords) && exporter=$(own_password "$shared/password") && operator=$(own_password "$run/operator") || return 1
  # Nobody can be this user, but Redis itself is while it reads its append-only file: without these rights it would
  # refuse every transaction in there, and begin with nothing.
  echo "user default off resetpass ~* &* +@all"
  echo "user madang on $chat$(cat "$config/chat.acl")"
  echo "user exporter on #$(hash "$exporter") resetkeys resetchannels -@all +ping +select +info +config|get +client|setname +slowlog|get +slowlog|len +latency|latest +memory|stats"
  echo "user operator on #$(hash "$operator") resetkeys resetchannels -@all +ping +acl|setuser"
  cat "$config/users.acl"
}

prepare() {
  printf '{"redis://exporter@localhost:6379":"%s"}\n' "$(own_password "$shared/password")" >"$shared/exporter.json"
}

as_operator() {
  REDISCLI_AUTH=$(cat "$run/operator") "$cli" --user operator "$@" 2>&1
}

# Sets the users of a running Redis; connections stay.
apply() {
  printf '%s\n' "$1" | while read -r _ name rules; do
    if [ -n "$name" ]; then
      # shellcheck disable=SC2086
      answer=$(as_operator ACL SETUSER "$name" reset $rules) || return 1
      if [ "$answer" != OK ]; then
        echo "User $name stays as it was: $answer" >&2
        return 1
      fi
    fi
  done
}

# Nothing else is told when a volume runs full: Redis ends (appendfsync always) or refuses to write.
warn_of_full_disk() {
  free=$(df -P -k /data | tail -n 1 | sed 's/  */ /g' | cut -d ' ' -f 4)
  if [ "$free" -lt 16384 ]; then
    echo "The volume of Redis is full ($free KiB are free): set redis.persistence.size to more and run helm upgrade; the data is intact." >&2
  fi
}

watch() {
  while sleep 5; do
    if new=$(users) && [ "$new" != "$(cat "$run/users.acl")" ] && apply "$new"; then
      printf '%s\n' "$new" >"$run/users.acl"
      echo "Redis took over the changed users and passwords."
    fi
    warn_of_full_disk
  done
}

case $1 in
prepare)
  prepare
  ;;
serve)
  list=$(users)
  printf '%s\n' "$list" >"$run/users.acl"
  warn_of_full_disk
  watch &
  exec "$server" "$config/redis.conf"
  ;;
alive)
  # Any answer is a living Redis: it may be loading, full, or want a password.
  case $("$cli" ping 2>&1) in
  PONG* | NOAUTH* | LOADING* | MISCONF* | BUSY* | MASTERDOWN* | NOPERM* | OOM* | ERR*) ;;
  *) exit 1 ;;
  esac
  ;;
ready)
  # A Redis that cannot write still serves what was written.
  case $(as_operator ping) in
  PONG* | MISCONF* | BUSY*) ;;
  *) exit 1 ;;
  esac
  ;;
esac
