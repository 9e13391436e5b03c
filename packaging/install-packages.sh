#!/bin/bash
# Installs what is missing of the Debian packages that packaging/packages.txt lists for the named groups.
#   packaging/install-packages.sh GROUP...      (build, test, bench, deb)
set -euo pipefail
list="$(dirname "$0")/packages.txt"

die() {
  echo "install-packages.sh: $*" >&2
  exit 1
}

[ $# -gt 0 ] || die "name at least one group of $(awk '!/^#/ && NF == 2 { print $1 }' "$list" | sort -u | tr '\n' ' ')"
wanted=()
for group in "$@"; do
  mapfile -t packages < <(awk -v group="$group" '$1 == group { print $2 }' "$list")
  [ ${#packages[@]} -gt 0 ] || die "no group \"$group\" in $list"
  wanted+=("${packages[@]}")
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "This is no Debian: nothing is installed. These packages, by their Debian names, are needed:" >&2
  printf '%s\n' "${wanted[@]}" | sort -u | tr '\n' ' ' >&2
  echo >&2
  exit 0
fi

missing=()
while read -r package; do
  status="$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)"
  [ "$status" = installed ] || missing+=("$package")
done < <(printf '%s\n' "${wanted[@]}" | sort -u)
[ ${#missing[@]} -gt 0 ] || exit 0

[ "$(id -u)" = 0 ] || die "these packages are missing and only root can install them:
  sudo apt-get install --no-install-recommends ${missing[*]}"

echo "Installing ${#missing[@]} packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
quietly() {
  "$@" >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    die "\"$*\" failed: see above"
  }
}
quietly apt-get update
quietly apt-get install -y --no-install-recommends "${missing[@]}"
