# shellcheck shell=bash disable=SC2154  # sourced by run.sh, which sets data and place
# The trees that run.sh measures. Each function sets place[NAME], or says why it cannot.

say() { echo "run.sh: $*" >&2; }

make_node_modules() {
  local app=$data/app
  if [ ! -d "$app/node_modules" ]; then
    if ! command -v npm >/dev/null; then
      say "node_modules is skipped: no npm here; apt install npm, or give a tree with --tree node_modules=DIR"
      return 0
    fi
    say "node_modules: npm fetches some 78,000 files"
    rm -rf "$app" "$app.partial"
    mkdir -p "$app.partial"
    if ! (cd "$app.partial" && npm init -y >/dev/null &&
      npm install --ignore-scripts --no-audit --no-fund --loglevel=error \
        @mui/icons-material@5 date-fns@3 typescript@5 next@14 core-js@3 rxjs@7 lodash@4 eslint@8 webpack@5 antd@5 >&2); then
      rm -rf "$app.partial"
      say "node_modules is skipped: npm cannot fetch it; give a tree with --tree node_modules=DIR"
      return 0
    fi
    mv "$app.partial" "$app"
  fi
  place[node_modules]=$app
}

# make_small_files NAME DIRECTORIES: directories of 1000 files of 200 bytes.
make_small_files() {
  local tree=$data/$1 blocks inodes
  [ -z "${place[$1]:-}" ] || return 0
  if [ ! -d "$tree" ]; then
    read -r blocks inodes < <(df --output=avail,iavail "$data" | tail -n 1)
    if [ "$blocks" -lt $(($2 * 5000)) ] || [ "$inodes" -lt $(($2 * 1010)) ]; then
      say "$1 is skipped: no room for $(($2 * 1000)) files in $data"
      return 0
    fi
    say "$1: makes $(($2 * 1000)) files"
    rm -rf "$tree.partial"
    python3 tests/bench/small_files.py "$tree.partial" "$2"
    mv "$tree.partial" "$tree"
  fi
  place[$1]=$tree
}

# make_image DIR: an ext4 file system in a file, without a cache below it, that holds DIR as tree. Sets device and
# mount_point. remove_image undoes it all.
image='' device='' mount_point=''
make_image() {
  local files kib
  if [ "$(id -u)" -ne 0 ]; then
    say "the cold runs are skipped: mounting needs root"
    return 1
  fi
  image=$data/cold.img
  mount_point=$data/cold
  say "copies $1 to a file system of its own, for the cold runs"
  files=$(find "$1" | wc -l)
  kib=$(du -sk "$1" | cut -f 1)
  rm -f "$image"
  mkdir -p "$mount_point"
  # What would otherwise be initialised while the runs are on is initialised now.
  if ! { truncate -s $((kib * 5 / 4 + files + 131072))K "$image" &&
    mkfs.ext4 -q -N $((files * 5 / 4)) -E lazy_itable_init=0,lazy_journal_init=0 "$image" &&
    device=$(losetup --find --show --direct-io=on "$image") && mount "$device" "$mount_point" &&
    cp -a "$1" "$mount_point/tree"; }; then
    say "the cold runs are skipped: no file system in a file can be mounted here"
    return 1
  fi
}

remove_image() {
  if [ -n "$mount_point" ] && mountpoint -q "$mount_point"; then umount "$mount_point"; fi
  if [ -n "$device" ]; then losetup -d "$device"; fi
  if [ -n "$image" ]; then rm -f "$image" && rmdir "$mount_point"; fi
}
