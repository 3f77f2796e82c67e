#!/usr/bin/env bash
# Fetches what a folder's package-lock.json names, when the lock changed since it last did: scripts/npm_ci.sh web
# No package runs a script of its own here.
set -euo pipefail
folder=${1:?usage: scripts/npm_ci.sh FOLDER}
cd "$folder"

stamp=node_modules/.admetricsd-stamp
# Builds of several presets may come here at once; the second finds the work done.
exec 9>.npm-lock
flock 9
lock_hash=$(sha256sum package-lock.json | cut -d' ' -f1)
[[ $(cat "$stamp" 2>/dev/null || true) != "$lock_hash" ]] || exit 0

echo "fetching the npm packages of $folder"
for attempt in 1 2 3; do
  if npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null 9>&-; then break; fi
  ((attempt < 3)) || { echo "npm ci failed in $folder; is the npm registry reachable?" >&2; exit 1; }
  sleep $((attempt * 3))
done
echo "$lock_hash" >"$stamp"
