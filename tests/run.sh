#!/bin/bash
# Installs what is missing (as root), builds, and runs every test, or the parts and tests that are named:
#   tests/run.sh [NAME]...      tests/run.sh --help lists the names
set -euo pipefail
cd "$(dirname "$0")/.."
packaging/install-packages.sh build test deb
exec /usr/bin/python3 tests/runner.py "$@"
