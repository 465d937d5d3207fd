#!/usr/bin/env bash
# Throws bytes that nobody thought of at what reads bytes: each target of tests/fuzz for SECONDS_EACH seconds, 60 unless
# it is set. TARGETS names some of them. What makes one fail is kept under target/fuzz/artifacts, and told.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

version=0.13.2
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
seconds=${SECONDS_EACH:-60}
read -ra names <<<"${TARGETS:-frames names settings entries http}"

if [[ $("$target/tools/bin/cargo-fuzz" --version 2>/dev/null) != "cargo-fuzz $version" ]]; then
  echo "fuzz: installing cargo-fuzz $version into $target/tools"
  cargo install --quiet --locked --root "$target/tools" --version "$version" --force cargo-fuzz || exit 1
fi
PATH=$target/tools/bin:$PATH
export CARGO_TARGET_DIR=$target/fuzz
# Coverage is a flag of the compiler that a stable one has too, behind this. Without a sanitizer for memory: the program
# forbids unsafe code.
export RUSTC_BOOTSTRAP=1
if ! cargo fuzz build --fuzz-dir tests/fuzz --sanitizer none; then
  echo "0 passed, 1 failed"
  exit 1
fi

passed=0
failed=0
for name in "${names[@]}"; do
  # What is found goes into the first directory; the committed seeds are read only.
  found=$target/fuzz/corpus/$name
  artifacts=$target/fuzz/artifacts/$name/
  mkdir -p "$found" "$artifacts"
  log=$target/fuzz/$name.log
  if cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none "$name" "$found" "tests/fuzz/corpus/$name" -- \
    -max_total_time="$seconds" -timeout=30 -max_len=4096 -rss_limit_mb=2048 -artifact_prefix="$artifacts" \
    -print_final_stats=1 >"$log" 2>&1; then
    runs=$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")
    echo "$name: nothing found in $runs inputs, $seconds s"
    passed=$((passed + 1))
  else
    tail -n 40 "$log"
    echo "$name: failed; what did it is in $artifacts, the whole log is $log" >&2
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed"
((failed == 0))
