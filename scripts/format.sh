#!/usr/bin/env bash
# clang-format over our C++ sources: rewrites them, or with --check says what it would change and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=(-i)
[[ ${1-} != --check ]] || mode=(--dry-run -Werror)
mapfile -d '' files < <(find core sources sinks follow state backfill verify explain compare demo dashboard quality web daemon tests bench \
                             -type f \( -name '*.cpp' -o -name '*.hpp' \) -print0 2>/dev/null || true)
((${#files[@]} == 0)) || clang-format --style=file "${mode[@]}" "${files[@]}"
