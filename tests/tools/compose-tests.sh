#!/usr/bin/env bash
# Brings the compose file up with podman, uses and breaks it, and takes it down: on Debian, without Docker and without a
# registry of images. Arguments go to pytest.
#
# All runs in namespaces of its own (network, mounts, processes): it takes no port of this machine, changes none of its
# links and firewall rules, and ends with all its processes, however it ends. Needs root; setup-cluster.sh installs
# podman and buildah.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=$(realpath "${CARGO_TARGET_DIR:-target}")
export COMPOSE_TEST_IMAGES=$target/images

fail() {
  echo "compose-tests.sh: $1" >&2
  exit 1
}

((EUID == 0)) || fail "needs root, for namespaces and containers"
for program in podman runc conmon buildah unshare ip; do
  command -v "$program" >/dev/null || fail "$program is missing: tests/tools/setup-cluster.sh installs it"
done
[[ -x $target/tools/python/bin/podman-compose ]] || fail "podman-compose is missing: make setup installs it"

tests/image/build.sh madang redis prometheus

# Podman leaves its control group behind, empty; one that is in use stays.
remove_group() {
  find /sys/fs/cgroup -depth -path '*/libpod_parent*' -type d -exec rmdir {} + 2>/dev/null || true
}
trap remove_group EXIT

# shellcheck disable=SC2016  # The inner shell expands it.
unshare --net --mount --pid --fork --kill-child --mount-proc bash -euo pipefail -c '
  mount -t tmpfs tmpfs /run
  # Podman does this at its first container and leaves it so.
  mkdir /run/netns
  mount --bind --make-rshared /run/netns /run/netns
  ip link set lo up
  # Not in the place of this process, the first one: it takes in orphans, which pytest would not.
  "$0" "$@" || exit $?
' "$target/tools/python/bin/pytest" -q tests/compose "$@"
