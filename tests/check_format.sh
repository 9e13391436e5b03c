#!/bin/bash
# Holds all C++ files to .clang-format; prints each place that deviates. With --fix: formats them.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -d '' files < <(find src include tests bench -name build -prune -o \( -name '*.cpp' -o -name '*.hpp' \) -print0 | sort -z)
if [ "${1-}" = --fix ]; then
  clang-format -i "${files[@]}"
else
  printf '%s\0' "${files[@]}" | xargs -0 -n 16 -P "$(nproc)" clang-format --dry-run -Werror
fi
