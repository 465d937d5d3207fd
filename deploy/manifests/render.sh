#!/usr/bin/env bash
# Renders the chart into manifests for people without Helm: render.sh [DIRECTORY], which is the one of this script.
#
# HELM names the program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=$(realpath "${1:-$here}")
cd "$here/../.."

helm=${HELM:-helm}
command -v "$helm" >/dev/null || {
  echo "render.sh: helm is missing: install it, or set HELM" >&2
  exit 1
}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/madang.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
"$helm" template madang helm/madang --namespace chat --values "$here/values.yaml" --skip-tests --output-dir "$scratch" >/dev/null

rm -rf "$target/chat" "$target/redis"
mkdir -p "$target/chat" "$target/redis"
for file in "$scratch"/madang/templates/*.yaml "$scratch"/madang/templates/redis/*.yaml; do
  part=chat
  [[ $file == */redis/* ]] && part=redis
  # What is said to Helm and by Helm means nothing here.
  sed \
    -e '1{/^---$/d;}' \
    -e 's|^# Source: madang/|# Rendered by render.sh from helm/madang/|' \
    -e '/^ *app.kubernetes.io\/managed-by: Helm$/d' \
    -e '/^ *helm.sh\/chart: /d' \
    -e '/^  annotations:$/{N;/\n *helm.sh\/resource-policy: keep$/d;}' \
    "$file" >"$target/$part/${file##*/}"
done
