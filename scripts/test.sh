#!/usr/bin/env bash
# Configures, builds and tests each preset in $PRESETS (default: release debug tsan), then prints how many tests passed and
# failed over all of them; the last line is always "N passed, N failed". Exit status 0 only when something ran and nothing failed.
# A preset that does not configure or build counts as one failure. Arguments go to every ctest: scripts/test.sh -R engine
set -uo pipefail
cd "$(dirname "$0")/.." || exit

read -ra presets <<<"${PRESETS:-release debug tsan}"
jobs=${JOBS:-$(nproc)}
passed=0 failed=0 skipped=0
failures=$(mktemp)
trap 'rm -f "$failures"' EXIT

finish() {
  cat "$failures"  # again, where whoever sees only the end can read it
  ((skipped == 0)) || echo "$skipped skipped (each says why above)"
  ((passed + failed > 0)) || echo "test.sh: no test ran" >&2
  echo "$passed passed, $failed failed"
  ((failed == 0 && passed > 0))
  exit
}

scripts/setup.sh --test </dev/null || { failed=1; finish; }

for preset in "${presets[@]}"; do
  echo "== $preset"
  if ! cmake --preset "$preset" --log-level=WARNING || ! cmake --build --preset "$preset" -j "$jobs"; then
    echo "test.sh: preset $preset does not build" | tee -a "$failures" >&2
    failed=$((failed + 1))
    continue
  fi

  run=(ctest --preset "$preset" -j "$jobs" --output-junit ctest-report.xml "$@")
  # g++ 12's ThreadSanitizer cannot place its shadow under a kernel with very random addresses; fixed addresses avoid that.
  if [[ $preset == tsan ]] && setarch --addr-no-randomize true 2>/dev/null; then
    run=(setarch --addr-no-randomize "${run[@]}")
  fi
  rm -f "build/$preset/ctest-report.xml"
  "${run[@]}" </dev/null
  status=$?

  counts=$(python3 scripts/count_tests.py "build/$preset/ctest-report.xml" 2>>"$failures") || counts="0 1 0"
  read -r preset_passed preset_failed preset_skipped <<<"$counts"
  # ctest itself may fail without a failing test: no tests, or a test program that cannot list its tests.
  ((status == 0 || preset_failed > 0)) || preset_failed=1
  echo "== $preset: $preset_passed passed, $preset_failed failed, $preset_skipped skipped"
  passed=$((passed + preset_passed)) failed=$((failed + preset_failed)) skipped=$((skipped + preset_skipped))
done
finish
