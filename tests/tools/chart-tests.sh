#!/usr/bin/env bash
# Tests the chart without a cluster: what it renders, what it refuses, and its Redis as a real process.
#
# The program must have been built; MADANG_BINARY names another one. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=$(realpath "${CARGO_TARGET_DIR:-target}")
export MADANG_BINARY=${MADANG_BINARY:-$target/debug/madang}
export HELM=${HELM:-$target/tools/helm}

if [[ ! -x $HELM || ! -x $target/tools/python/bin/kubernetes-validate ]]; then
  echo "helm or kubernetes-validate is missing: make setup installs both" >&2
  exit 1
fi
"$target/tools/python/bin/pytest" -q tests/chart "$@"
