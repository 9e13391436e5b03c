#!/bin/bash
# Holds all C++ files to .clang-format; prints the files that deviate, and in how many places. With --fix: formats them.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -d '' files < <(find src include tests bench -name build -prune -o \( -name '*.cpp' -o -name '*.hpp' \) -print0 | sort -z)
if [ "${1-}" = --fix ]; then
  clang-format -i "${files[@]}"
else
  deviating="$(printf '%s\0' "${files[@]}" |
    xargs -0 -n 16 -P "$(nproc)" clang-format --dry-run -Werror 2>&1 | grep -E ': error: ' || true)"
  [ -z "$deviating" ] || {
    echo "$deviating" | cut -d: -f1 | sort | uniq -c
    echo "$(echo "$deviating" | wc -l) places deviate; tests/check_format.sh --fix formats them"
    exit 1
  }
fi
