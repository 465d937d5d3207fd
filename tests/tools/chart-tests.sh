#!/usr/bin/env bash
# Tests the chart without a cluster: what it renders, what it refuses, and its Redis as a real process.
#
# The program must have been built; MADANG_BINARY names another one. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=$(realpath "${CARGO_TARGET_DIR:-target}")
export MADANG_BINARY=${MADANG_BINARY:-$target/debug/madang}
export HELM=${HELM:-$target/tools/helm}
export CHECKOV=${CHECKOV:-$target/tools/checkov/bin/checkov}

for tool in "$HELM" "$CHECKOV" "$target/tools/python/bin/kubernetes-validate"; do
  if [[ ! -x $tool ]]; then
    echo "${tool##*/} is missing: make setup installs it" >&2
    exit 1
  fi
done
"$target/tools/python/bin/pytest" -q tests/chart "$@"
