#!/usr/bin/env bash
# Plays the story (`short` or `full`) on the cluster of KUBECONFIG, or on two nodes that it starts on this machine and
# ends again. KEEP=1 leaves those nodes up if the story fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

story=${1:-full}
if [[ -n ${KUBECONFIG:-} ]]; then
  exec python3 -u tests/cluster/story "$story"
fi

tests/tools/setup-cluster.sh
tests/cluster/build-node.sh
tests/image/build.sh
python3 tests/cluster/machine up
status=0
python3 -u tests/cluster/story "$story" || status=$?
if ((status)); then
  export KUBECONFIG=${CARGO_TARGET_DIR:-target}/cluster/run/kubeconfig
  kubectl() { "${CARGO_TARGET_DIR:-target}/tools/kubectl" "$@" || true; }
  echo "== What the cluster says"
  kubectl get pods --all-namespaces --output wide
  kubectl get events --all-namespaces --sort-by .lastTimestamp | tail -n 40
  kubectl --namespace chat logs --selector app.kubernetes.io/name=madang --all-containers --prefix --tail 15
  if [[ ${KEEP:-} == 1 ]]; then
    echo "The cluster is left as it is: export KUBECONFIG=$KUBECONFIG; make cluster-down ends it"
    exit "$status"
  fi
fi
python3 tests/cluster/machine down
exit "$status"
