#!/usr/bin/env bash
# What a full check costs, in one table: driftd, the floor (floor.cpp: the least that any correct scanner has to do) and
# what else people use, on the same trees, in the same run. Progress goes to standard error, the tables to standard
# output as text that is Markdown too. The rest of the machine should be idle.
# usage: run.sh [OPTION]...
#   --quick            node_modules only, 3 runs, no further tables
#   --only NAME,...    these trees only
#   --tree NAME=DIR    where a tree lies: a name below, or a further one
#   --runs N           rounds on a warm cache, in which all take turns (default 5); figures are medians
#   --threads N        of driftd, of the floor, and of what else can have some (default 2)
#   --peers            AIDE, find | xargs b3sum, find | xargs sha256sum, mtree, hashdeep too; AIDE takes minutes a tree
#   --peer-runs N      of each of these (default 1)
#   --cold             the first tree also on a file system that is mounted anew before each run (needs root, and room)
# Trees: node_modules  some 78,000 files that npm fetches
#        usr           /usr, which is only read
#        million       1,000,000 files of 200 bytes, which take 4 GiB of disk
# Two more tables show how driftd's cost grows (10,000, 100,000 and 1,000,000 files) and what the daemon holds.
# All that is made lies in build-bench (programs) and build-release/bench (trees, manifests); `rm -rf` removes it.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD
build=$top/build-bench
data=$top/build-release/bench
# shellcheck source=trees.sh
. tests/bench/trees.sh

usage() {
  sed -n '/^# usage/,/^# Trees/{/^# Trees/d;s/^# //;p}' tests/bench/run.sh >&2
  exit 64
}
quick=false peers=false cold=false
runs='' threads=2 peer_runs=1 only=''
declare -A place=([usr]=/usr)
names=(node_modules usr million)
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) quick=true ;;
    --peers) peers=true ;;
    --cold) cold=true ;;
    --runs | --threads | --peer-runs)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || usage
      case "$1" in
        --runs) runs=$2 ;;
        --threads) threads=$2 ;;
        *) peer_runs=$2 ;;
      esac
      shift
      ;;
    --only) only=${2:?} && shift ;;
    --tree)
      [[ ${2:-} =~ ^([A-Za-z0-9_-]+)=(.+)$ ]] || usage
      place[${BASH_REMATCH[1]}]=$(realpath -e "${BASH_REMATCH[2]}")
      [[ " ${names[*]} " == *" ${BASH_REMATCH[1]} "* ]] || names+=("${BASH_REMATCH[1]}")
      shift
      ;;
    *) usage ;;
  esac
  shift
done
if $quick; then only=${only:-node_modules}; fi
if [ -n "$only" ]; then IFS=, read -r -a names <<<"$only"; fi
: "${runs:=$($quick && echo 3 || echo 5)}"

need() { command -v "$1" >/dev/null || missing+=("$2"); }
missing=()
need python3 python3
need ninja ninja-build
need meson meson
if $peers; then need aide aide; need b3sum b3sum; need hashdeep hashdeep; need mtree mtree-netbsd; fi
if $cold; then need mkfs.ext4 e2fsprogs; need losetup mount; fi
if [ ${#missing[@]} -gt 0 ]; then
  say "needs what is not installed: apt install ${missing[*]}"
  exit 1
fi

say "building in ${build#"$top"/}"
[ -f "$build/build.ninja" ] || meson setup "$build" --buildtype=release >/dev/null
ninja -C "$build" daemon/driftd manifests/tool/driftd-manifest tests/bench/floor tests/bench/spend >&2

mkdir -p "$data"
trap remove_image EXIT
# In the background, so that a signal is heeded at once.
measuring=''
trap 'if [ -n "$measuring" ]; then kill "$measuring" && wait "$measuring" || true; fi; exit 130' INT TERM HUP
arguments=(--programs "$build" --data "$data" --runs "$runs" --threads "$threads")
if $peers; then arguments+=(--peer-runs "$peer_runs"); fi
trees=()
for name in "${names[@]}"; do
  if [ -z "${place[$name]:-}" ]; then
    case "$name" in
      node_modules) make_node_modules ;;
      million) make_small_files million 1000 ;;
      *) say "there is no tree '$name'; give it with --tree $name=DIR"; exit 64 ;;
    esac
  fi
  if [ -n "${place[$name]:-}" ]; then trees+=("$name=${place[$name]}"); fi
done
first=${names[0]}
if $cold && [ -z "${place[$first]:-}" ]; then say "the cold runs are skipped: they need $first"; cold=false; fi
if $cold; then
  make_image "${place[$first]}" && arguments+=(--cold "$first=$mount_point/tree" --device "$device")
fi
if ! $quick; then
  make_small_files small_10000 10
  make_small_files small_100000 100
  make_small_files million 1000
  arguments+=(--daemon)
  for name in small_10000 small_100000 million; do
    [ -z "${place[$name]:-}" ] || arguments+=(--growth "$name=${place[$name]}")
  done
fi
python3 tests/bench/measure.py "${arguments[@]}" "${trees[@]}" &
measuring=$!
wait "$measuring"
