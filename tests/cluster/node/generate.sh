#!/usr/bin/env bash
# Makes go.mod and go.sum anew for another version of Kubernetes or CoreDNS. Needs go and python3.
#
# Kubernetes itself cannot be installed with `go install`: its go.mod points to folders of its own repository. This
# module repeats those replacements with the published versions of the same modules.
set -euo pipefail
cd "$(dirname "$0")"

kubernetes=${1:-1.36.3}
coredns=${2:-1.14.1}
module=k8s.io/kubernetes@v$kubernetes
parts=v0.${kubernetes#1.}

rm -f go.mod go.sum
go mod init madang.invalid/tests/cluster/node
its_go_mod=$(go mod download -json "$module" | python3 -c 'import json, sys; print(json.load(sys.stdin)["GoMod"])')
grep -oE 'k8s\.io/[a-z0-9-]+ => \./staging' "$its_go_mod" | awk '{ print $1 }' | sort -u |
  while read -r part; do go mod edit -replace="$part=$part@$parts"; done
go get "$module" "github.com/coredns/coredns@v$coredns"
# Some modules that only tests of Kubernetes use are not published: -e goes on without them.
go mod tidy -e
