#!/usr/bin/env bash
# Installs what a Debian 12 lacks, and touches nothing that is there. usage: install-deps.sh build|test|fuzz
#   build  what it takes to build driftd and driftd-manifest
#   test   that, and what the test suites run
#   fuzz   that, and what tests/fuzz/run.sh needs
set -euo pipefail

build=(g++ meson ninja-build pkg-config git
       libarchive-dev libboost1.81-dev libboost-json1.81-dev libcli11-dev libfmt-dev librust-blake3-dev libsodium-dev
       libspdlog-dev libsqlite3-dev libssl-dev libsystemd-dev libyaml-cpp-dev prometheus-cpp-dev zlib1g-dev)
test=("${build[@]}" acl attr btrfs-progs bzip2 ccache clang-format clang-tidy curl doctest-dev e2fsprogs libarchive-tools libcap2-bin
      minisign mount mtree-netbsd openssh-client openssh-server prometheus prometheus-alertmanager python3 python3-fusepy
      python3-pytest python3-pytest-timeout python3-yaml rsync shellcheck systemd vim-tiny xfsprogs xz-utils zip zstd)
# Debian 13 and later have BLAKE3 as a library.
if apt-cache show libblake3-dev >/dev/null 2>&1; then
  build=("${build[@]/librust-blake3-dev/libblake3-dev}")
  test=("${test[@]/librust-blake3-dev/libblake3-dev}")
fi

case "${1:-}" in
  build) wanted=("${build[@]}") ;;
  test) wanted=("${test[@]}") ;;
  fuzz) wanted=("${test[@]}" clang libclang-rt-dev) ;;
  *) echo "usage: install-deps.sh build|test|fuzz" >&2; exit 64 ;;
esac

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install-deps.sh: run this as root, or install sudo; missing: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "Installing ${#missing[@]} packages: ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}
if ! install >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "install-deps.sh: apt-get failed, see above" >&2
  exit 1
fi
