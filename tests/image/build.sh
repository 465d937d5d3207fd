#!/usr/bin/env bash
# Builds the images that compose and the cluster run, on Debian, without a container engine and without a registry of
# images, into target/images/NAME.tar (docker archives, under the names that the chart and the compose file expect):
#
#   madang      the project's own Dockerfile, with base images made of Debian's packages
#   redis       Debian's redis-server with a shell, as in the official image
#   exporter    redis_exporter, from its Go module
#   prometheus  Debian's prometheus
#   pause       what holds the network of a pod
#
# Names what to build as arguments; nothing is all. What has not changed is not built again. Needs root, buildah,
# debootstrap, go and cargo (tests/tools/setup-cluster.sh).
set -euo pipefail
cd "$(dirname "$0")/../.."

out=$(realpath -m "${CARGO_TARGET_DIR:-target}")/images
scratch=$out/scratch
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
values=helm/madang/values.yaml
export STORAGE_DRIVER=overlay

((EUID == 0)) || { echo "build.sh: only root may build images here" >&2; exit 1; }
mkdir -p "$scratch"

buildah() { command buildah --root "$out/storage" --runroot "$out/run" "$@"; }

# The tag of an image in the values of the chart, by its repository.
tag_in_values() { grep -A 10 "repository: $1\$" "$values" | sed -n 's/^ *tag: //p' | head -n 1; }

# The image of a service in the compose file, or what stands for it while there is none.
image_in_compose() {
  local file=deploy/compose/compose.yaml
  { [[ -f $file ]] && grep -oE "image: [^ ]*$1:[^ ]+" "$file" | head -n 1 | cut -d ' ' -f 2; } || echo "$2"
}

# Makes an image of a root file system: image FILE NAME ROOT CONFIG…
image() {
  local file=$1 name=$2 root=$3 container
  shift 3
  container=$(buildah from scratch)
  # As an archive: a directory would lose its owners.
  tar -C "$root" -cf "$root.tar" .
  buildah add -q "$container" "$root.tar" / >/dev/null
  rm "$root.tar"
  buildah config "$@" "$container"
  buildah commit -q --rm "$container" "$name" >/dev/null
  [[ $file == - ]] || archive "$file" "$name"
}

archive() {
  rm -f "$out/$1.tar"
  buildah push -q "$2" "docker-archive:$out/$1.tar:$2"
  echo "build.sh: $1 is $2 ($(du -h "$out/$1.tar" | cut -f 1))"
}

# Copies programs and the libraries that they need into a root file system: programs ROOT PROGRAM…
programs() {
  local root=$1 program library
  shift
  mkdir -p "$root"/usr/{bin,lib,lib64} "$root"/{tmp,run,etc,data}
  chmod 1777 "$root/tmp"
  ln -sfn usr/bin "$root/bin"
  ln -sfn usr/lib "$root/lib"
  ln -sfn usr/lib64 "$root/lib64"
  for program; do
    cp -L "$program" "$root/usr/bin/"
    # A script has none.
    { ldd "$program" 2>/dev/null | grep -oE '/[^ ]+' || true; } | while read -r library; do
      mkdir -p "$root$(dirname "$library")"
      cp -Ln "$library" "$root$library"
    done
  done
  printf 'root:x:0:0::/:/sbin/nologin\nredis:x:999:999::/data:/sbin/nologin\nnonroot:x:65532:65532::/:/sbin/nologin\n' >"$root/etc/passwd"
  printf 'root:x:0:\nredis:x:999:\nnonroot:x:65532:\n' >"$root/etc/group"
}

# The base images of the Dockerfile: a Debian with a C compiler, and the few files that the program needs of it.
bases() {
  local debian=$scratch/debian runtime=$scratch/runtime
  buildah inspect --type image localhost/build-base >/dev/null 2>&1 &&
    buildah inspect --type image localhost/runtime-base >/dev/null 2>&1 && return
  echo "build.sh: making the base images of Debian's packages"
  rm -rf "$debian" "$runtime"
  debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates bookworm "$debian" >"$out/debootstrap.log" 2>&1 ||
    { tail -n 20 "$out/debootstrap.log" >&2; return 1; }
  rm -rf "$debian"/var/cache/apt/archives/*.deb "${debian:?}/dev"
  mkdir -p "$debian/dev"
  image - localhost/build-base "$debian" --env PATH=/usr/local/rust/bin:/usr/bin:/bin --env CARGO_HOME=/usr/local/cargo

  local triplet loader
  triplet=$(uname -m)-linux-gnu
  loader=$(cd "$debian" && find lib64/ lib/ -maxdepth 1 -name 'ld-linux-*' | head -n 1)
  mkdir -p "$runtime"/{etc/ssl/certs,tmp,"lib/$triplet"} "$runtime/$(dirname "$loader")"
  chmod 1777 "$runtime/tmp"
  cp -L "$debian/$loader" "$runtime/$loader"
  cp -L "$debian/lib/$triplet"/{libc.so.6,libm.so.6,libgcc_s.so.1} "$runtime/lib/$triplet/"
  cp -L "$debian/etc/ssl/certs/ca-certificates.crt" "$runtime/etc/ssl/certs/"
  printf 'root:x:0:0::/:/sbin/nologin\nnonroot:x:65532:65532::/:/sbin/nologin\n' >"$runtime/etc/passwd"
  image - localhost/runtime-base "$runtime" --env PATH=/usr/local/bin
  rm -rf "$debian" "$runtime"
}

# The toolchain, the crates and the certificates of this machine are mounted, not copied: what a site without the
# internet does too.
madang() {
  bases
  cargo fetch --locked --quiet
  buildah build -q --layers --isolation chroot --network host \
    --build-arg RUST_IMAGE=localhost/build-base --build-arg RUNTIME_IMAGE=localhost/runtime-base \
    --build-arg "MADANG_VERSION=$version" --build-arg "MADANG_REVISION=$(git rev-parse HEAD)" \
    --volume "$(rustc --print sysroot):/usr/local/rust:ro" \
    --volume "${CARGO_HOME:-$HOME/.cargo}/registry:/usr/local/cargo/registry" \
    --volume /etc/ssl/certs:/etc/ssl/certs:ro \
    --tag "localhost/madang:$version" . >"$out/madang.log" 2>&1 || { tail -n 30 "$out/madang.log" >&2; return 1; }
  archive madang "localhost/madang:$version"
  # The base that stands for distroless has 4 MB.
  local size
  size=$(du -m "$out/madang.tar" | cut -f 1)
  ((size <= 44)) || { echo "build.sh: the image of madang has $size MB; it may have 40 beyond its base" >&2; return 1; }
}

redis() {
  local root=$scratch/redis shell
  rm -rf "$root"
  mapfile -t shell < <(dpkg -L coreutils dash sed grep findutils | grep -E '^(/usr)?/bin/')
  programs "$root" "$(command -v redis-server)" "$(command -v redis-cli)" "$(command -v redis-check-aof)" "${shell[@]}"
  ln -sf dash "$root/usr/bin/sh"
  chown 999:999 "$root/data"
  image redis "docker.io/library/redis:$(tag_in_values library/redis)" "$root" \
    --env PATH=/usr/bin --workingdir /data --port 6379 --cmd redis-server
}

exporter() {
  local tag root=$scratch/exporter
  tag=$(tag_in_values oliver006/redis_exporter)
  rm -rf "$root"
  mkdir -p "$root"
  # The version is pinned twice: here by its sums, and in the values of the chart for everybody else.
  grep -q "redis_exporter $tag\$" tests/image/exporter/go.mod ||
    { echo "build.sh: tests/image/exporter/go.mod has another version of redis_exporter than $values: $tag" >&2; return 1; }
  (cd tests/image/exporter && CGO_ENABLED=0 go build -mod=readonly -trimpath -o "$root/redis_exporter" github.com/oliver006/redis_exporter)
  image exporter "docker.io/oliver006/redis_exporter:$tag" "$root" --user 59000:59000 --port 9121 --entrypoint '["/redis_exporter"]'
}

prometheus() {
  local root=$scratch/prometheus
  rm -rf "$root"
  mkdir -p "$root"/{etc/prometheus,prometheus}
  (
    cd "$scratch"
    apt-get download -qq prometheus
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/prometheus ./usr/bin/promtool
    rm prometheus_*.deb
  )
  programs "$root" "$scratch/usr/bin/prometheus" "$scratch/usr/bin/promtool"
  chown 65534:65534 "$root/prometheus"
  image prometheus "$(image_in_compose prom/prometheus docker.io/prom/prometheus:v3.11.0)" "$root" --user 65534:65534 --workingdir /prometheus --port 9090 \
    --entrypoint '["/bin/prometheus"]' --cmd '["--config.file=/etc/prometheus/prometheus.yml","--storage.tsdb.path=/prometheus"]'
}

pause() {
  local root=$scratch/pause
  rm -rf "$root"
  mkdir -p "$root"
  gcc -static -Os -o "$root/pause" tests/image/pause.c
  strip "$root/pause"
  image pause registry.k8s.io/pause:3.6 "$root" --user 65535:65535 --entrypoint '["/pause"]'
}

# What an image is made of; if it is as it was, the image is.
inputs() {
  case $1 in
  madang) cat Dockerfile .dockerignore Cargo.toml Cargo.lock docs/api.md <(find src static -type f -print0 | sort -z | xargs -0 cat) <(git rev-parse HEAD) ;;
  redis) dpkg-query -W redis-server coreutils libc6 ; tag_in_values library/redis ;;
  exporter) tag_in_values oliver006/redis_exporter && cat tests/image/exporter/go.sum ;;
  prometheus) image_in_compose prom/prometheus - ;;
  pause) cat tests/image/pause.c ;;
  *) echo "build.sh: $1 is no image: madang, redis, exporter, prometheus or pause" >&2 && exit 2 ;;
  esac
  cat tests/image/build.sh
}

(($#)) || set -- pause redis exporter prometheus madang
for name; do
  mark=$(inputs "$name" | sha256sum)
  [[ -f $out/$name.tar && $mark == "$(cat "$out/$name.mark" 2>/dev/null)" ]] && continue
  "$name"
  echo "$mark" >"$out/$name.mark"
done
rm -rf "$scratch"
