#!/usr/bin/env bash
# Fuzzes with clang's libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer, in build-fuzz.
# usage: run.sh [--merge] [SECONDS [TARGET]...]      default: 60 seconds for each target
#   --merge   adds to the committed corpus what reaches code that it does not
# What breaks a promise is kept in build-fuzz/found/. New inputs are kept in build-fuzz/corpus/ for the next run.
set -euo pipefail
cd "$(dirname "$0")/../.."
merge=
if [ "${1:-}" = --merge ]; then merge=yes; shift; fi
seconds=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for file in tests/fuzz/fuzz_*.cpp; do
    file=${file##*/fuzz_}
    targets+=("${file%.cpp}")
  done
fi

packaging/install-deps.sh fuzz
build=$PWD/build-fuzz
if [ ! -f "$build/build.ninja" ]; then
  CC=clang CXX=clang++ meson setup "$build" --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false \
    -Dfuzzers=true --werror >/dev/null
fi
ninja -C "$build" "${targets[@]/#/tests/fuzz/fuzz_}"
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
failed=()
for target in "${targets[@]}"; do
  own=$build/corpus/$target
  found=$build/found/$target
  corpus=tests/fuzz/corpus/$target
  mkdir -p "$own" "$found" "$corpus"
  options=(-timeout=10 -rss_limit_mb=2048 -artifact_prefix="$found/" -print_final_stats=1)
  [ ! -f "tests/fuzz/$target.dict" ] || options+=(-dict="tests/fuzz/$target.dict")
  echo "== $target, $seconds s"
  "$build/tests/fuzz/fuzz_$target" "${options[@]}" -max_total_time="$seconds" -max_len=8192 "$own" "$corpus" \
    2>"$build/$target.log" || failed+=("$target")
  grep -E 'broken promise|ERROR:|SUMMARY:|DONE|number_of_executed_units|Test unit written' "$build/$target.log" || true
  if [ -n "$merge" ]; then
    "$build/tests/fuzz/fuzz_$target" -set_cover_merge=1 -use_counters=0 "$corpus" "$own" 2>>"$build/$target.log"
  fi
done
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
