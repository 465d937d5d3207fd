# Functions that build the image and install the chart of this working tree, for the scripts of kind and minikube to source.

image=localhost/madang
scratch=$(mktemp -d "${TMPDIR:-/tmp}/madang.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
archive=$scratch/image.tar
tag=

fail() {
  echo "${0##*/}: $1" >&2
  exit 1
}

where_from() {
  case $1 in
  docker) echo https://docs.docker.com/engine/install ;;
  kind) echo https://kind.sigs.k8s.io/docs/user/quick-start ;;
  minikube) echo https://minikube.sigs.k8s.io/docs/start ;;
  kubectl) echo https://kubernetes.io/docs/tasks/tools ;;
  helm) echo https://helm.sh/docs/intro/install ;;
  esac
}

# Says everything that is missing at once: need COMMAND...
need() {
  local command missing=()
  for command; do
    command -v "$command" >/dev/null || missing+=("$command")
  done
  for command in "${missing[@]}"; do
    echo "$command is missing: see $(where_from "$command")" >&2
  done
  ((${#missing[@]} == 0)) || exit 1
  docker info >/dev/null 2>&1 || fail "docker does not answer: start it, and see that this user may use it (docker info)"
}

# Builds the image and saves it as $archive. Its $tag is its own, so that a changed program is rolled out, and only then.
build_image() {
  local version id
  version=$(sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q}' Cargo.toml)
  # kind reads no archive that has attestations in it.
  BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --tag "$image:$version" .
  id=$(docker image inspect --format '{{.Id}}' "$image:$version")
  id=${id#sha256:}
  tag=$version-${id:0:12}
  docker tag "$image:$version" "$image:$tag"
  docker save --output "$archive" "$image:$tag"
}

# Installs the chart with that image, or upgrades it, and tests it: install_chart CONTEXT [ARGUMENT...]
install_chart() {
  local context=$1
  shift
  echo "Installing the chart; the first time, Redis has to be pulled."
  if ! helm upgrade --install madang helm/madang --kube-context "$context" --namespace chat --create-namespace \
    --set image.registry="${image%/*}" --set image.repository="${image##*/}" --set-string image.tag="$tag" \
    --wait --timeout 5m "$@"; then
    kubectl --context "$context" --namespace chat get pods,events >&2 || true
    fail "the chart does not come up: see the pods and events above, and kubectl --context $context --namespace chat describe pods"
  fi
  helm test madang --kube-context "$context" --namespace chat --logs ||
    fail "the chart is installed, but its test fails: see above"
}
