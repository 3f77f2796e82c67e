#!/usr/bin/env bash
# Runs one test of the page: run.sh NODE FILE. Skips, with the reason, where there is no Chromium to run it in.
set -uo pipefail
cd "$(dirname "$0")" || exit
readonly skipped=77
chromium=${ADMETRICS_CHROMIUM:-/usr/bin/chromium}
[[ -x $chromium ]] || { echo "skipped: $chromium is not installed; scripts/setup.sh --test installs it"; exit $skipped; }
[[ -d node_modules/playwright-core ]] || { echo "skipped: tests/page/node_modules is missing; scripts/setup.sh --test fetches it"; exit $skipped; }
exec "$1" --test "$2"
