#!/usr/bin/env bash
# Builds driftd and shows what it does on a real application: a Django release is signed, the daemon watches it, a
# settings file is edited behind its back. usage: quickstart.sh [--keep]
#   --keep  leave the daemon running, to play with
set -euo pipefail

keep=false
case "${1:-}" in
  "") ;;
  --keep) keep=true ;;
  *) echo "usage: quickstart.sh [--keep]" >&2; exit 64 ;;
esac

cd "$(dirname "$0")/.."
top=$PWD
build=$top/build-release
demo=$build/demo

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
[ -t 1 ] || step() { printf '\n== %s\n' "$*"; }
# Shows a command as the reader would type it, then runs it.
show() { echo "\$ $*"; "$@"; }
die() { echo "quickstart.sh: $*" >&2; exit 1; }

step "1. Install what is missing, build (the first time takes some minutes)"
packaging/install-deps.sh build
[ -f "$build/build.ninja" ] || meson setup "$build" --buildtype=release -Dtests=false >"$top/.quickstart.log" 2>&1 ||
  { tail -n 20 "$top/.quickstart.log" >&2; die "meson failed"; }
ninja -C "$build" >"$top/.quickstart.log" 2>&1 || { tail -n 40 "$top/.quickstart.log" >&2; die "the build failed"; }
rm -f "$top/.quickstart.log"
PATH=$build/daemon:$build/manifests/tool:$PATH
driftd --version

step "2. A real application: Debian's Django, unpacked"
# A daemon that an earlier --keep left behind would watch a tree that is about to be replaced.
if [ -f "$demo/driftd.pid" ]; then
  "${as_root[@]}" kill "$(cat "$demo/driftd.pid")" 2>/dev/null || true
  "${as_root[@]}" rm -f "$demo/driftd.pid"
fi
mkdir -p "$build/packages"
if ! ls "$build"/packages/python3-django_*.deb >/dev/null 2>&1; then
  (cd "$build/packages" && apt-get download python3-django >/dev/null 2>&1) ||
    { "${as_root[@]}" apt-get update >/dev/null 2>&1; (cd "$build/packages" && apt-get download python3-django >/dev/null); } ||
    die "cannot download Debian's package python3-django with apt-get"
fi
"${as_root[@]}" rm -rf "$demo"
mkdir -p "$demo/unpacked" "$demo/keys"
dpkg-deb -x "$build"/packages/python3-django_*.deb "$demo/unpacked"
mv "$demo/unpacked/usr/lib/python3/dist-packages/django" "$demo/app"
rm -rf "$demo/unpacked"
echo "$(find "$demo/app" -type f | wc -l) files in ${demo#"$top"/}/app"

cd "$demo"
step "3. In CI: list the release, sign the list"
show driftd-manifest keygen --no-password -s keys/release.key -p keys/release.pub
show driftd-manifest build --name app --release v103 --sequence now app -o app.manifest
show driftd-manifest sign -s keys/release.key app.manifest

step "4. On the host: trust the key, start the daemon"
mkdir -p trust.d && cp keys/release.pub trust.d/
"${as_root[@]}" chown root:root trust.d trust.d/release.pub
chmod_trust=(chmod go-w trust.d trust.d/release.pub)
"${as_root[@]}" "${chmod_trust[@]}"
port=9747
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
cat >driftd.yaml <<YAML
state_directory: $demo/state
run_directory: $demo/run
trees:
  - name: app
    root: $demo/app
    manifest: $demo/app.manifest
trust: {directories: [$demo/trust.d]}
web: {listen: ["127.0.0.1:$port"]}
YAML
cat driftd.yaml
echo "\$ driftd run --config driftd.yaml &"
# shellcheck disable=SC2016  # the inner shell's own process id is wanted
"${as_root[@]}" sh -c 'echo $$ >driftd.pid; exec "$1" run --config driftd.yaml >driftd.log 2>&1' sh "$build/daemon/driftd" &
stop() {
  [ -f driftd.pid ] || return 0
  "${as_root[@]}" kill "$(cat driftd.pid)" 2>/dev/null || true
  wait 2>/dev/null || true
  "${as_root[@]}" rm -f driftd.pid
}
trap stop EXIT

# Plain bash, so that there is nothing more to install.
get() {
  exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
  printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$1" >&3
  cat <&3
  exec 3<&-
}
# Waits up to 30 s for a line on a page.
await() {
  for _ in $(seq 300); do
    get "$1" 2>/dev/null | grep -qF -- "$2" && return 0
    sleep 0.1
  done
  cat driftd.log >&2
  die "waited 30 s in vain for '$2' on $1"
}
await /-/ready "200 OK"
check=("${as_root[@]}" driftd --check --config driftd.yaml)
[ "$(id -u)" -eq 0 ] || check=("${as_root[@]}" "$build/daemon/driftd" --check --config driftd.yaml)
show "${check[@]}"

step "5. Somebody logs in and edits a file, as vim does: write beside, rename over"
settings=app/conf/global_settings.py
echo "\$ vim $settings        # DEBUG = True"
sed 's/^DEBUG = False/DEBUG = True/' "$settings" >"$settings~" && mv "$settings~" "$settings"
await /metrics 'driftd_drifted_paths{tree="app",kind="modified",state="open"} 1'

step "6. What the SRE sees, and what Prometheus scrapes"
code=0
show "${check[@]}" || code=$?
echo "(exit code $code)"
[ "$code" -eq 2 ] || die "driftd --check must exit with 2 for drift"
echo
echo "\$ curl -s http://127.0.0.1:$port/metrics | grep -e verdict -e modified"
get /metrics | grep -E '^driftd_(tree_verdict|drifted_paths.*modified.*open)'

step "It works. What to try next"
cat <<TEXT
  driftd-manifest show ${demo#"$top"/}/app.manifest | less     the signed list, a valid mtree(5) file
  minisign -V -H -p KEY.pub -m FILE                         stock tools verify it without driftd
  README.md                                                 put it on a host, into CI, into Prometheus
TEXT
if $keep; then
  trap - EXIT
  cat <<TEXT
The daemon is left running (process $(cat driftd.pid), log ${demo#"$top"/}/driftd.log):
  curl http://127.0.0.1:$port/metrics
  ${check[*]/#"$build/daemon/driftd"/driftd}     in ${demo#"$top"/}
  kill $(cat driftd.pid)     when done
TEXT
else
  echo "  packaging/quickstart.sh --keep                            the same, and leaves the daemon running"
fi
