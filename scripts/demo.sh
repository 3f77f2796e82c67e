#!/usr/bin/env bash
# Shows the daemon at work on a sample source: writes one, streams it, keeps changing it, shows what moves each second, and at
# the end stops, drains and verifies. Ctrl-C ends it early. The exit status is that of `admetricsd verify`.
#   DEMO_USERS=50000 DEMO_DAYS=90    size of the sample source
#   DEMO_SECONDS=30                  how long to watch; 0 or unset on a terminal: until Ctrl-C
set -uo pipefail
cd "$(dirname "$0")/.." || exit

daemon=$PWD/build/release/daemon/admetricsd
dir=$PWD/build/demo
config=$dir/admetricsd.toml
seconds=${DEMO_SECONDS:-$([[ -t 0 ]] && echo 0 || echo 30)}
daemon_pid='' writer_pid='' stopping=''

fail() { echo "demo: $*" >&2; exit 2; }
alive() { [[ -n $1 ]] && kill -0 "$1" 2>/dev/null; }
stop() {  # pid: asks, waits, and only after a minute insists
  alive "$1" || return 0
  kill -TERM "$1" 2>/dev/null
  for _ in {1..600}; do alive "$1" || break; sleep 0.1; done
  kill -KILL "$1" 2>/dev/null
  wait "$1" 2>/dev/null
}
stop_all() { stop "$writer_pid"; stop "$daemon_pid"; writer_pid='' daemon_pid=''; }
trap stop_all EXIT
trap 'stopping=1' INT TERM

# Prints one line of numbers from the status document on standard input; fails while there is no first epoch.
show='
import json, sys
elapsed, before = float(sys.argv[1]), int(sys.argv[2])
interval = max(0.5, float(sys.argv[4]) - float(sys.argv[3]))
s = json.load(sys.stdin)
epoch, totals = s.get("last_epoch") or {}, s.get("totals") or {}
written = s.get("rows_written_total") or 0
if not epoch: sys.exit(1)
line = "%5.0f s  %8.0f rows/s  lag %6d records %6.1f s  epoch %7.1f ms %6d rows  |" % (
    elapsed, max(0, written - before) / interval, s.get("lag_records") or 0, s.get("lag_seconds") or 0,
    epoch.get("duration_ms") or 0, epoch.get("rows_written") or 0)
names = [("main_rows", "rows"), ("breakdown_rows", "breakdown"), ("spend", "spend"), ("trials", "trials"), ("revenue", "revenue")]
line += "".join("  %s %s" % (label, format(totals[key], ",")) for key, label in names if key in totals)
print(written, s.get("lag_records") or 0, line, sep="|")
'
status() {  # rows written before, time then, time now
  "$daemon" status --config "$config" --json 2>/dev/null | python3 -c "$show" "$SECONDS" "$@" 2>/dev/null
}

[[ -x $daemon ]] || fail "$daemon is missing: run make build"
{ rm -rf "$dir" && mkdir -p "$dir"; } || fail "cannot write $dir"

echo "demo: writing a sample source: ${DEMO_USERS:-50000} users, ${DEMO_DAYS:-90} days"
"$daemon" demo "$dir" --users "${DEMO_USERS:-50000}" --days "${DEMO_DAYS:-90}" || fail "could not write the sample source"
if [[ ! -f $config ]]; then
  printf '[source.sqlite]\nproduct_db = "mixpanel_data.db"\nads_db = "meta_analytics.db"\n\n[state]\ndir = "state/"\n' >"$config"
fi

# A session of their own: Ctrl-C reaches this script alone, which then stops them in order.
setsid "$daemon" run --config "$config" >"$dir/daemon.log" 2>&1 </dev/null &
daemon_pid=$!
address=$(sed -n 's/^listen *= *"\(.*\)".*/\1/p' "$config" | head -n 1)
cat <<LOOK
demo: look around while it runs
  page       http://${address:-127.0.0.1:8787}/
  database   sqlite3 -readonly $dir/mixpanel_data.db
  tables     daily_mixpanel_metrics, daily_mixpanel_metrics_breakdown, id_name_mapping, id_hierarchy_mapping
  status     $daemon status --config $config
  log        $dir/daemon.log
demo: catching up
LOOK

SECONDS=0 written=0 caught_up='' LC_NUMERIC=C
before=$EPOCHREALTIME
while [[ -z $stopping ]]; do
  alive "$daemon_pid" || { tail -n 5 "$dir/daemon.log" >&2; fail "the daemon stopped; its log is $dir/daemon.log"; }
  at=$EPOCHREALTIME
  if now=$(status "$written" "$before" "$at"); then
    IFS='|' read -r written lag line <<<"$now"
    before=$at
    echo "$line"
    if [[ -z $caught_up && $lag == 0 ]]; then
      caught_up=$SECONDS
      echo "demo: caught up after $caught_up s; now a writer changes the source as a pipeline would"
      setsid "$daemon" demo "$dir" --live >"$dir/live.log" 2>&1 </dev/null &
      writer_pid=$!
    fi
  fi
  ((seconds == 0 || SECONDS < ${caught_up:-600} + seconds)) || break
  sleep 1
done

echo "demo: stopping, draining what was recorded last, verifying"
trap '' INT TERM
stop_all
"$daemon" run --once --config "$config" >>"$dir/daemon.log" 2>&1 || fail "the drain failed; the log is $dir/daemon.log"
"$daemon" verify --config "$config"
