#!/usr/bin/env bash
# Brings up a minikube of its own with the chat of this working tree; run again, it upgrades.
set -euo pipefail
cd "$(dirname "$0")/../.."

# shellcheck source=deploy/cluster.sh
source deploy/cluster.sh

need docker minikube kubectl helm
build_image
# Calico, since the default network enforces no NetworkPolicy; one node, since its volumes are writable on the first only.
minikube start --profile madang --cni calico
minikube image load "$archive" --profile madang
# Loading fails without a word now and then.
minikube image ls --profile madang | grep -Fx "$image:$tag" >/dev/null ||
  fail "minikube did not take the image $image:$tag: run minikube delete --profile madang, and this again"
install_chart madang --set service.type=NodePort

cat <<TEXT

Open it:     minikube service madang --profile madang --namespace chat
Look at it:  kubectl --context madang --namespace chat get pods
Scale it:    kubectl --context madang --namespace chat scale deployment madang --replicas=5
Remove it:   minikube delete --profile madang
TEXT

# A machine without a screen has the lines above.
if [[ -t 1 ]]; then
  minikube service madang --profile madang --namespace chat || true
fi
