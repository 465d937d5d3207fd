# Everything that is done with this repository, one target each.
#
# Recipes longer than three lines are scripts.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Cargo and the test runners use all cores by themselves.
.NOTPARALLEL:
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# The lock file is part of the source: a build that would change it fails.
CARGO := cargo
LOCKED := --locked
# More arguments for what is run.
ARGS ?=

.PHONY: help
help: ## Lists what can be done
	@awk -F ':.*## ' '/^# -- / { print "\n" substr($$0, 6) } /^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: need-cargo
need-cargo:
	@command -v $(CARGO) >/dev/null || \
		{ echo "cargo is missing: install Rust 1.95 or later, see https://www.rust-lang.org/tools/install" >&2; exit 1; }

# -- Run

.PHONY: run
run: need-cargo ## One node without Redis: the chat on http://localhost:8080
	@echo "The chat is on http://localhost:8080 once it is built; Ctrl-C ends it."
	@$(CARGO) run $(LOCKED)

.PHONY: run-cluster
run-cluster: need-cargo ## Redis and three nodes: the chat on http://localhost:8081, 8082 and 8083
	@deploy/local/run-cluster.sh

# -- Test

.PHONY: setup
setup: ## Installs what the tests need, if it is missing
	@tests/tools/setup.sh

.PHONY: test
test: setup test-rust test-page test-web test-api test-chart test-capacity ## All tests

# All in one build: the parts would each build the dependencies with features of their own.
.PHONY: build-tests
build-tests: need-cargo
	$(CARGO) test $(LOCKED) --no-run

.PHONY: test-rust
test-rust: build-tests ## All tests of the program: the next three
	$(CARGO) test $(LOCKED) --no-fail-fast

.PHONY: test-unit
test-unit: build-tests ## Unit and property tests, and the code against the documents
	$(CARGO) test $(LOCKED) --lib --bins --test documents

.PHONY: test-integration
test-integration: build-tests ## Nodes, pages and both brokers together
	$(CARGO) test $(LOCKED) --test integration

.PHONY: test-conformance
test-conformance: build-tests ## The WebSocket codec against the Autobahn cases
	$(CARGO) test $(LOCKED) --test conformance

# Built as the other tests are, so that nothing is built twice.
.PHONY: test-faults
test-faults: build-tests ## Every fault under traffic, judged by a checker: nodes, Redis, network; ARGS="--row killed" picks
	$(CARGO) test $(LOCKED) --test faults -- --all $(ARGS)

.PHONY: test-faults-smoke
test-faults-smoke: build-tests ## A few of them of each group
	$(CARGO) test $(LOCKED) --test faults -- --smoke $(ARGS)

.PHONY: guarantees
guarantees: build-tests ## All of them, and their figures written into docs/guarantees.md
	$(CARGO) test $(LOCKED) --test faults -- --all --json target/faults.json
	tests/tools/guarantees.py target/faults.json

.PHONY: test-page
test-page: ## The page's model without a browser
	node --test --test-reporter=spec tests/web/unit/*.test.mjs

.PHONY: test-web
test-web: build-tests ## The page in a browser on three nodes, and the nodes' metrics
	tests/tools/web-tests.sh

.PHONY: test-api
test-api: build-tests ## The HTTP API against its OpenAPI document
	tests/tools/api-tests.sh

.PHONY: test-chart
test-chart: build-tests ## The Helm chart: rendered, checked and its Redis started, without a cluster
	tests/tools/chart-tests.sh

.PHONY: test-capacity
test-capacity: ## What the sizes are computed with, and the page of them
	tests/tools/capacity-tests.sh

.PHONY: capacity
capacity: ## Computes docs/capacity.md anew, after a change of tests/capacity/figures.toml
	python3 tests/capacity

.PHONY: fuzz
fuzz: need-cargo ## Frames, names, settings, entries and HTTP against random bytes, a minute each
	tests/tools/fuzz.sh

.PHONY: fuzz-smoke
fuzz-smoke: need-cargo ## The same for a few seconds each
	SECONDS_EACH=5 tests/tools/fuzz.sh

.PHONY: test-instructions
test-instructions: need-cargo ## The instructions of the hot path against the baseline: none may take a tenth more
	tests/tools/instructions.py

.PHONY: instructions-baseline
instructions-baseline: need-cargo ## Writes that baseline anew, after a change that is worth its cost
	tests/tools/instructions.py baseline

# -- Measure

# Needs two cores with nothing else to do.
.PHONY: bench
bench: need-cargo ## madang alone over its whole matrix, written into docs/performance.md; ARGS="--cell dense" picks
	python3 tests/bench/run own $(ARGS)

.PHONY: bench-peers
bench-peers: need-cargo ## madang beside the Centrifuge library, Socket.IO and bare ws, written into docs/performance.md
	python3 tests/bench/run peers $(ARGS)

.PHONY: bench-smoke
bench-smoke: build-tests ## A few seconds of everything that measures: it works, however fast
	python3 tests/bench/run smoke

.PHONY: bench-smoke-alone
bench-smoke-alone: build-tests ## The same without the peers and their packages
	python3 tests/bench/run smoke --alone

# -- Test with containers and on a cluster

.PHONY: image
image: need-cargo ## The images that the tests run, without a container engine (root, Debian)
	tests/tools/setup-cluster.sh
	tests/image/build.sh

.PHONY: test-compose
test-compose: setup ## The compose file brought up with podman, used, broken, taken down (root, Debian)
	tests/tools/setup-cluster.sh
	tests/tools/compose-tests.sh

.PHONY: cluster-up
cluster-up: setup ## Two nodes of upstream Kubernetes on this machine (root, Debian)
	tests/tools/setup-cluster.sh
	tests/cluster/build-node.sh
	tests/image/build.sh
	python3 tests/cluster/machine up

.PHONY: cluster-down
cluster-down: ## Ends them, and leaves nothing but what was built
	python3 tests/cluster/machine down

.PHONY: test-cluster
test-cluster: setup build-tests ## The chart's whole story on the cluster of KUBECONFIG, or on those two nodes
	tests/cluster/test.sh full

.PHONY: test-cluster-short
test-cluster-short: setup build-tests ## Half of it: install, scale, upgrade, rollout, kill, node drain
	tests/cluster/test.sh short

# -- Check

.PHONY: lint
lint: need-cargo ## Format, Clippy and documentation without a warning
	$(CARGO) fmt --check
	$(CARGO) clippy $(LOCKED) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(LOCKED) --no-deps

.PHONY: fmt
fmt: need-cargo ## Formats the code
	$(CARGO) fmt

.PHONY: doc
doc: need-cargo ## The documentation of the code, private parts too
	$(CARGO) doc $(LOCKED) --no-deps --document-private-items
	@echo "see $${CARGO_TARGET_DIR:-target}/doc/madang/index.html"

.PHONY: manifests
manifests: ## Renders the manifests for people without Helm anew
	HELM=$${HELM:-$${CARGO_TARGET_DIR:-target}/tools/helm} deploy/manifests/render.sh
