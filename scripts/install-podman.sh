#!/usr/bin/env bash
# Installs what boxes in containers need, on Debian, as root: Podman, runc, btrfs-progs and bubblewrap from the machine's own suite, and CRIU
# from a later one, in a folder of its own: the C library and everything else of the machine stay as they are. Does nothing where all is there.
#
#   scripts/install-podman.sh [folder]     default: /usr/local/lib/skein-criu, where Skein looks for it
set -euo pipefail

folder="${1:-/usr/local/lib/skein-criu}"
# The first suite that has a CRIU which starts; what it can really dump is for `skein doctor` to find out.
suites=(forky trixie)

say() { echo "install-podman: $*"; }
fail() { echo "install-podman: $*" >&2; exit 1; }

has_programs() { command -v podman runc btrfs mkfs.btrfs bwrap >/dev/null; }
has_criu() { "$folder/bin/criu" --version >/dev/null 2>&1; }

if has_programs && has_criu; then
  say "all is there: $(podman --version), $("$folder/bin/criu" --version | head -n 1)"
  exit 0
fi
command -v apt-get >/dev/null || fail "this machine has no apt-get; docs/guides/podman.md says what to install elsewhere."
[ "$(id -u)" = 0 ] || fail "run it as root (sudo $0)."
export DEBIAN_FRONTEND=noninteractive

if ! has_programs; then
  apt-get update -q
  apt-get install -qy --no-install-recommends podman runc btrfs-progs bubblewrap
fi
if has_criu; then exit 0; fi

# The mirror that this machine is configured with. Security suites lie elsewhere.
find_mirror() {
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
    awk -F'|' '$1 == "Debian" && $2 == "Debian" { print $3; exit }'
}
mirror="$(find_mirror)"
if [ -z "$mirror" ]; then
  apt-get update -q
  mirror="$(find_mirror)"
fi
[ -n "$mirror" ] || fail "the apt sources of this machine name no Debian mirror, so CRIU cannot be fetched; install CRIU 4.2.1 or later yourself."
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ ! -e "$keys" ] || signed="[signed-by=$keys] "

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# apt with lists, cache and status of its own: to it nothing is installed, so it fetches the whole closure and asks the machine for nothing.
fetch() {
  local suite="$1" state="$work/$1"
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  : >"$state/status"
  echo "deb ${signed:-}$mirror $suite main" >"$state/sources.list"
  local apt=(apt-get -q
    -o "Dir::State::lists=$state/lists" -o "Dir::State::status=$state/status" -o "Dir::Cache::archives=$state/archives"
    -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache="
    -o "Dir::Etc::sourcelist=$state/sources.list" -o "Dir::Etc::sourceparts=/dev/null"
    -o "Dir::Etc::preferences=/dev/null" -o "Dir::Etc::preferencesparts=/dev/null"
    -o "APT::Sandbox::User=root" -o "DPkg::Post-Invoke=" -o "APT::Default-Release=")
  "${apt[@]}" update && "${apt[@]}" -y --no-install-recommends --download-only install criu
}

# A CRIU that runs by its own loader and its own libraries.
unpack() {
  local suite="$1" tree="$folder/$1" package loader libraries program
  rm -rf "$tree"
  mkdir -p "$tree" "$folder/bin"
  for package in "$work/$suite"/archives/*.deb; do dpkg-deb -x "$package" "$tree"; done
  loader="$(find "$tree" -name 'ld-linux*.so.*' -print -quit)"
  program="$(find "$tree" -path '*/sbin/criu' -print -quit)"
  libraries="$(find "$tree" -name '*.so*' -printf '%h\n' | sort -u | paste -sd :)"
  [ -n "$loader" ] && [ -n "$program" ] || return 1
  cat >"$folder/bin/criu.new" <<WRAPPER
#!/bin/sh
exec "$loader" --library-path "$libraries" "$program" "\$@"
WRAPPER
  chmod 0755 "$folder/bin/criu.new"
  mv "$folder/bin/criu.new" "$folder/bin/criu"
  has_criu
}

for suite in "${suites[@]}"; do
  say "CRIU of $suite into $folder"
  if fetch "$suite" && unpack "$suite"; then
    say "$("$folder/bin/criu" --version | head -n 1)"
    exit 0
  fi
  say "$suite has none that runs here"
done
fail "no CRIU could be installed from ${suites[*]}; boxes in containers then fork files only."
