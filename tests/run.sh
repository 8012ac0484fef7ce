#!/usr/bin/env bash
# Installs what is missing, builds with sanitizers, runs the suites. Ends with a line `N passed, N failed`.
# usage: run.sh [lint|unit|fuzz|tsan|e2e]...     default: all
#        run.sh tidy                             clang-tidy over manifests/ and scanner/, which takes minutes
set -euo pipefail
cd "$(dirname "$0")/.."
suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(lint unit fuzz tsan e2e)
for suite in "${suites[@]}"; do
  case "$suite" in
    lint | unit | fuzz | tsan | e2e | tidy) ;;
    *) echo "usage: run.sh [lint|unit|fuzz|tsan|e2e|tidy]..." >&2; exit 64 ;;
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
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/tests/tsan.supp

failed_steps=0
# Runs one step; a step that fails and has no failure among its results counts as one.
step() {
  local name=$1
  shift
  echo "== $name"
  if ! "$@"; then
    echo "== $name: FAILED"
    grep -qsE '<(failure|error)[ >/]' "$results/$name.xml" || failed_steps=$((failed_steps + 1))
  fi
}

configure() {
  [ -f "$1/build.ninja" ] || meson setup "$1" --buildtype=debug "-Db_sanitize=$2" --werror >/dev/null
}
build_asan() { configure "$build" address,undefined && ninja -C "$build"; }
build_tsan() { configure "$build_tsan" thread && ninja -C "$build_tsan" tests/unit/test_scanner tests/unit/test_daemon; }
# Where one test hangs, its step ends and the others still tell something. Each takes a fifth of this on two cores.
bounded() { timeout --kill-after=10 20m "$@"; }
# Each fuzz target over its corpus; tests/fuzz/run.sh searches for more.
replay() {
  DRIFTD_CORPUS=$PWD/tests/fuzz/corpus/$1 bounded \
    "$build/tests/fuzz/replay_$1" --reporters=junit --out="$results/fuzz-$1.xml"
}
unit() { bounded "$1/tests/unit/test_$2" --reporters=junit --out="$results/$3.xml" "${@:4}"; }
tsan() { DRIFTD_CASES=40 unit "$build_tsan" "$1" "tsan-$1"; }
e2e() { "$python" -m pytest -q -p no:cacheprovider --timeout=600 --durations=10 --junitxml="$results/$1.xml" "${@:2}"; }
# Runs beside what comes next what the step `ended NAME` waits for, and tells of.
declare -A jobs
begin() {
  "${@:2}" >"$results/$1.log" 2>&1 &
  jobs[$1]=$!
}
ended() {
  local status=0
  wait "${jobs[$1]}" || status=$?
  cat "$results/$1.log"
  return "$status"
}

# What clang-tidy finds, and nothing else; gcc's own warnings are unknown to it. daemon/ is not clean yet.
tidy() {
  configure "$build" address,undefined && ninja -C "$build" manifests/version.hpp || return
  printf '%s\n' {manifests,scanner}/*.cpp |
    xargs -P "$(nproc)" -n 1 clang-tidy -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option 2>"$build/tidy.log" ||
    { tail -n 5 "$build/tidy.log"; return 1; }
  echo '<testsuite><testcase classname="tidy" name="manifests and scanner"/></testsuite>' >"$results/tidy.xml"
}

for suite in "${suites[@]}"; do
  case "$suite" in
    tidy) step tidy tidy ;;
    lint)
      step lint "$python" -m pytest -q -p no:cacheprovider tests/lint --junitxml="$results/lint.xml"
      ;;
    unit)
      step build-asan build_asan
      begin unit-properties unit "$build" scanner unit-properties --source-file='*test_scan_property*'
      for layer in manifests tool daemon; do step "unit-$layer" unit "$build" "$layer" "unit-$layer"; done
      step unit-scanner unit "$build" scanner unit-scanner --source-file-exclude='*test_scan_property*'
      step unit-properties ended unit-properties
      ;;
    fuzz)
      step build-asan build_asan
      for target in tests/fuzz/corpus/*/; do
        target=$(basename "$target")
        step "fuzz-$target" replay "$target"
      done
      ;;
    tsan)
      step build-tsan build_tsan
      begin tsan-daemon tsan daemon
      step tsan-scanner tsan scanner
      step tsan-daemon ended tsan-daemon
      ;;
    e2e)
      step build-asan build_asan
      # Tests that wait for half a minute each and do nothing; those of commands and of what the daemon answers; and
      # those of the daemon at work, which mostly wait for it.
      waiting=(tests/e2e/test_{stalled,hanging_mounts}.py)
      answers=(tests/e2e/test_{archives,build_options,ci_examples,control_socket,explain,hostile_names,http}.py
        tests/e2e/test_{human_output,import,json,keys,manifest_output,metadata,metrics_page,mounts,nagios,paths}.py
        tests/e2e/test_{porcelain,progress,refusals,relabel,signers,status,stock_tools,support,trust,vectors}.py)
      begin e2e-waiting e2e e2e-waiting "${waiting[@]}"
      begin e2e-answers e2e e2e-answers "${answers[@]}"
      beside=("${waiting[@]}" "${answers[@]}")
      step e2e e2e e2e tests/e2e "${beside[@]/#/--ignore=}"
      step e2e-answers ended e2e-answers
      step e2e-waiting ended e2e-waiting
      ;;
  esac
done

exec "$python" tests/support/summary.py "$failed_steps" "$results"/*.xml
