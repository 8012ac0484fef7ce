#!/usr/bin/env bash
# How fast a manifest of a million entries is made and loaded, and what it takes to hold it.
# usage: manifest.sh [ENTRIES [RUNS]]      default: 1000000 5
# Builds in build-bench. Times are medians; the rest of the machine should be idle.
set -euo pipefail
cd "$(dirname "$0")/../.."
entries=${1:-1000000}
runs=${2:-5}
build=$PWD/build-bench
[ -f "$build/build.ninja" ] || meson setup "$build" --buildtype=release >/dev/null
ninja -C "$build" tests/bench/bench_manifest >/dev/null
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$build/tests/bench/bench_manifest" make "$entries" "$directory"
"$build/tests/bench/bench_manifest" load "$runs" "$directory"
