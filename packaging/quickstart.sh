#!/bin/bash
# From a fresh Debian 12 to a running azulb: installs what is missing (as root), builds, and starts the demo.
#   packaging/quickstart.sh [--build-only] [OPTION of azulb demo]...
set -euo pipefail
cd "$(dirname "$0")/.."

build_only=false
case "${1-}" in
  --build-only)
    build_only=true
    shift
    ;;
  --help | -h)
    sed -n '2,3s/^# *//p' "$0"
    exit 0
    ;;
esac

packaging/install-packages.sh build

log=build/quickstart.log
mkdir -p build
run() {
  "$@" >"$log" 2>&1 || {
    cat "$log" >&2
    echo "quickstart.sh: \"$*\" failed: see above, or $log. If build/ is of another machine or version, remove it." >&2
    exit 1
  }
}
if [ ! -f build/build.ninja ]; then
  echo "Configuring build/"
  run meson setup build
fi
echo "Building build/azulb (about two minutes from nothing on two cores)"
run ninja -C build azulb

if $build_only; then
  echo "Built: $(build/azulb --version)"
  exit 0
fi
exec build/azulb demo "$@"
