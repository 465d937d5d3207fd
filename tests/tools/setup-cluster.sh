#!/usr/bin/env bash
# Installs what the tests with containers need beside setup.sh; changes nothing if all is there. Debian 12 only: these
# tests know its versions.
set -euo pipefail

# podman runs the compose file: runc starts its containers, netavark and aardvark-dns give them networks and names.
# buildah and debootstrap make the images. etcd, containerd and the network plugins are what Kubernetes stands on.
packages=(
  podman runc netavark aardvark-dns iptables iproute2
  buildah debootstrap
  etcd-server containerd containernetworking-plugins
)

fail() {
  echo "setup-cluster: $1" >&2
  exit 1
}

missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
((${#missing[@]})) || exit 0
command -v apt-get >/dev/null || fail "missing: ${missing[*]}; there is no apt-get here, and these tests run on Debian"
((EUID == 0)) || fail "missing: ${missing[*]}; run this as root to install them"
echo "setup-cluster: installing ${missing[*]}"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null
