#!/usr/bin/env bash
# Brings up a cluster in Docker with the chat of this working tree, on http://localhost:8080; run again, it upgrades.
set -euo pipefail
cd "$(dirname "$0")/../.."

# shellcheck source=deploy/cluster.sh
source deploy/cluster.sh

need docker kind kubectl helm
build_image
if ! kind get clusters 2>/dev/null | grep -x madang >/dev/null; then
  kind create cluster --name madang --config deploy/kind/cluster.yaml --wait 3m
fi
kind load image-archive "$archive" --name madang
install_chart kind-madang --set service.type=NodePort --set service.nodePort=30080

cat <<TEXT

The chat is on http://localhost:8080
Look at it:  kubectl --context kind-madang --namespace chat get pods
Scale it:    kubectl --context kind-madang --namespace chat scale deployment madang --replicas=5
Remove it:   kind delete cluster --name madang
TEXT

# A machine without a screen has the line above.
if [[ -t 1 ]]; then
  for opener in xdg-open open; do
    if command -v "$opener" >/dev/null; then
      "$opener" http://localhost:8080 >/dev/null 2>&1 || true
      break
    fi
  done
fi
