#!/usr/bin/env bash
# Installs what is missing, builds with sanitizers, runs the suites. Ends with a line `N passed, N failed`.
# usage: run.sh [unit|tsan|e2e|lint]...     default: all
set -euo pipefail
cd "$(dirname "$0")/.."
suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(lint unit tsan e2e)
for suite in "${suites[@]}"; do
  case "$suite" in
    unit | tsan | e2e | lint) ;;
    *) echo "usage: run.sh [unit|tsan|e2e|lint]..." >&2; exit 64 ;;
  esac
done

packaging/install-deps.sh test

# Debian's own interpreter has Debian's pytest; another python3 may stand before it in PATH.
python=/usr/bin/python3
build=$PWD/build-asan
build_tsan=$PWD/build-tsan
results=$build/results
mkdir -p "$results"
rm -f "$results"/*.xml
export DRIFTD_BUILD=$build DRIFTD_VECTORS=$PWD/tests/vectors DRIFTD_GOLDEN=$PWD/tests/unit/daemon/golden
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

failed_steps=0
# Runs one step; a step that fails without a result file still counts.
step() {
  local name=$1
  shift
  echo "== $name"
  if ! "$@"; then
    echo "== $name: FAILED"
    [ -s "$results/$name.xml" ] || failed_steps=$((failed_steps + 1))
  fi
}

configure() {
  [ -f "$1/build.ninja" ] || meson setup "$1" --buildtype=debug "-Db_sanitize=$2" --werror >/dev/null
}
build_asan() { configure "$build" address,undefined && ninja -C "$build"; }
build_tsan() { configure "$build_tsan" thread && ninja -C "$build_tsan" tests/unit/test_scanner tests/unit/test_daemon; }
unit() { "$1/tests/unit/test_$2" --reporters=junit --out="$results/$3.xml"; }

for suite in "${suites[@]}"; do
  case "$suite" in
    lint)
      step lint "$python" -m pytest -q -p no:cacheprovider tests/lint --junitxml="$results/lint.xml"
      ;;
    unit)
      step build-asan build_asan
      for layer in manifests scanner tool daemon; do step "unit-$layer" unit "$build" "$layer" "unit-$layer"; done
      ;;
    tsan)
      step build-tsan build_tsan
      for layer in scanner daemon; do
        DRIFTD_CASES=40 step "tsan-$layer" unit "$build_tsan" "$layer" "tsan-$layer"
      done
      ;;
    e2e)
      step build-asan build_asan
      step e2e "$python" -m pytest -q -p no:cacheprovider tests/e2e --durations=10 --junitxml="$results/e2e.xml"
      ;;
  esac
done

exec "$python" tests/support/summary.py "$failed_steps" "$results"/*.xml
