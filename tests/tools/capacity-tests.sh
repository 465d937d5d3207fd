#!/usr/bin/env bash
# Tests what docs/capacity.md is computed with, and that the page says what is computed. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."

pytest=$(realpath "${CARGO_TARGET_DIR:-target}")/tools/python/bin/pytest
if [[ ! -x $pytest ]]; then
  echo "pytest is missing: make setup installs it" >&2
  exit 1
fi
"$pytest" -q tests/capacity "$@"
