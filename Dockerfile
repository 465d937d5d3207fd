# The image of madang: one program on a base without a shell.
#
#   docker build --tag madang:0.1.0 --build-arg MADANG_REVISION="$(git rev-parse HEAD)" .
#   docker buildx build --platform linux/amd64,linux/arm64 --tag … .
#
# Where these bases, crates.io or its certificate are not to be had:
#   --build-arg RUST_IMAGE=… --build-arg RUNTIME_IMAGE=…   bases from a mirror; both must be of the same Debian
#   --secret id=cargo-config,src=FILE                      a config.toml of Cargo that names a mirror or vendored crates
#   --secret id=ca,src=FILE                                the certificates (PEM) of a private authority

ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST_IMAGE} AS build
WORKDIR /madang

# Dependencies are a layer of their own, which a changed source leaves alone. They are built for an empty program.
COPY Cargo.toml Cargo.lock ./
RUN --mount=type=secret,id=cargo-config,target=/madang/.cargo/config.toml \
    --mount=type=secret,id=ca,target=/madang/.cargo/ca.pem \
    if [ -s .cargo/ca.pem ]; then export CARGO_HTTP_CAINFO=/madang/.cargo/ca.pem; fi \
    && mkdir -p src tests/conformance \
    && echo 'fn main() {}' >src/main.rs && touch src/lib.rs tests/conformance/main.rs \
    && cargo build --release --locked \
    && rm -r src target/release/.fingerprint/madang-*

COPY docs/api.md docs/
COPY static static
COPY src src
ARG MADANG_VERSION=0.1.0
ARG MADANG_REVISION=unknown
RUN --mount=type=secret,id=cargo-config,target=/madang/.cargo/config.toml \
    grep -qx "version = \"$MADANG_VERSION\"" Cargo.toml \
    || { echo "MADANG_VERSION is $MADANG_VERSION, which is not the version in Cargo.toml" >&2; exit 1; } \
    && MADANG_REVISION=$MADANG_REVISION cargo build --release --locked --offline

FROM ${RUNTIME_IMAGE}
ARG MADANG_VERSION=0.1.0
ARG MADANG_REVISION=unknown
LABEL org.opencontainers.image.title="madang" \
      org.opencontainers.image.description="Chat for Kubernetes: a stateless WebSocket server with Redis between its replicas" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$MADANG_VERSION" \
      org.opencontainers.image.revision="$MADANG_REVISION"
COPY --from=build /madang/target/release/madang /usr/local/bin/madang
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 8080 9090
HEALTHCHECK CMD ["/usr/local/bin/madang", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/madang"]
