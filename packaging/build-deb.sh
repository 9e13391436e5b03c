#!/bin/bash
# Builds the Debian package of this checkout, as it is now:
#   packaging/build-deb.sh [DIRECTORY]      where the .deb goes; ./build-deb without
# Needs the packages of the groups "build" and "deb" (packaging/install-packages.sh build deb). ccache is used if there is one.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
out="${1:-$root/build-deb}"
mkdir -p "$out"
out="$(cd "$out" && pwd)"

version="$(sed -n "s/^  version: '\(.*\)',$/\1/p" "$root/meson.build" | head -1)"
packaged="$(dpkg-parsechangelog -l "$root/packaging/debian/changelog" -S Version)"
if [ "$version" != "$packaged" ]; then
  echo "build-deb.sh: meson.build says version $version, packaging/debian/changelog $packaged: add an entry" >&2
  exit 1
fi

# Always the same place: the compiler's options name it, and ccache knows what it has compiled there.
work="$out/work"
tree="$work/azulb-$version"
rm -rf "$work"
mkdir -p "$tree"
trap 'rm -rf "$work"' EXIT
tar -C "$root" --exclude='./build*' --exclude=./.git --exclude=./.cache --exclude=./bench/results --exclude=__pycache__ \
  --exclude=.pytest_cache -cf - . | tar -xf - -C "$tree"
mv "$tree/packaging/debian" "$tree/debian"
# One copy of each unit in the tree, where everybody finds it.
cp "$tree/packaging/azulb.service" "$tree/packaging/azulb.socket" "$tree/debian/"

[ ! -d /usr/lib/ccache ] || export PATH="/usr/lib/ccache:$PATH"
log="$out/build.log"
export DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-parallel=$(nproc)}"
if ! (cd "$tree" && dpkg-buildpackage --build=binary --no-sign) >"$log" 2>&1; then
  tail -n 60 "$log" >&2
  echo "build-deb.sh: dpkg-buildpackage failed: see $log" >&2
  exit 1
fi
find "$work" -maxdepth 1 -type f -exec mv -t "$out" {} +
ls "$out"/azulb_*.deb
