#!/usr/bin/env bash
# Installs what the build needs, fetches SQLite and what the live page is bundled with. Runs nothing when everything is there.
# Needs no terminal.
#   scripts/setup.sh          compiler, libraries, SQLite, the page's packages
#   scripts/setup.sh --test   also what the Debian package is tried with (clean roots, a booted container, systemd-analyze), and
#                             Chromium for the tests of the live page, a PostgreSQL server, and promtool for the alert rules; without the last three
#                             their tests are skipped
#   scripts/setup.sh --dev    also clang, clang-format, clang-tidy, valgrind
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "setup: $*" >&2; exit 1; }

packages=(
  g++ cmake ninja-build make pkg-config git ca-certificates ccache
  libboost1.81-dev libsimdjson-dev libspdlog-dev libfmt-dev libconcurrentqueue-dev
  libtomlplusplus-dev libcli11-dev prometheus-cpp-dev libabsl-dev tzdata libsystemd-dev libdeflate-dev
  libpq-dev zlib1g-dev libzstd-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  python3 sqlite3 dpkg-dev file
)
wishes=()  # what tests can do without
case "${1-}" in
  "") ;;
  --test)
    packages+=(mmdebstrap systemd systemd-container mandoc)
    wishes+=(chromium fonts-dejavu-core postgresql-15)
    ;;
  --dev) packages+=(clang clang-format clang-tidy libclang-rt-14-dev valgrind) ;;
  *) fail "unknown argument '$1'; usage: scripts/setup.sh [--test | --dev]" ;;
esac
# Where npm came with another nodejs package, Debian's npm would conflict with it.
command -v npm >/dev/null || packages+=(nodejs npm)

# --- Debian packages -------------------------------------------------------------------------------------------------

missing=() missing_wishes=()
is_missing() {
  local status
  status=$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null || true)
  [[ $status != "install ok installed" ]]
}
for package in "${packages[@]}"; do ! is_missing "$package" || missing+=("$package"); done
for package in "${wishes[@]}"; do ! is_missing "$package" || missing_wishes+=("$package"); done

as_root=()
apt_get() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" </dev/null; }
if ((${#missing[@]})); then
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "not root and no sudo; install as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  # An unreachable mirror matters only if the install then fails.
  apt_get update || echo "setup: apt-get update failed, trying with the lists that are here" >&2
  apt_get install -y --no-install-recommends "${missing[@]}" || fail "apt-get could not install: ${missing[*]}"
fi

# Debian's server would make and start a cluster at once, which nobody asked for: the tests start their own.
keep_postgres_quiet() {
  local file=/etc/postgresql-common/createcluster.conf
  [[ " ${missing_wishes[*]} " == *" postgresql-15 "* && ! -e $file ]] || return 0
  "${as_root[@]}" mkdir -p "${file%/*}" && echo "create_main_cluster = false" | "${as_root[@]}" tee "$file" >/dev/null
}

if ((${#missing_wishes[@]})); then
  ((EUID == 0)) || ! command -v sudo >/dev/null || as_root=(sudo)
  echo "setup: installing ${missing_wishes[*]}"
  ((${#missing[@]})) || apt_get update || echo "setup: apt-get update failed, trying with the lists that are here" >&2
  keep_postgres_quiet || true
  apt_get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "${missing_wishes[@]}" || echo "setup: without ${missing_wishes[*]} some tests are skipped" >&2
fi

# --- promtool ---------------------------------------------------------------------------------------------------------

# Out of Debian's package, which would bring and start a server that nobody asked for.
promtool=build/tools/promtool
if [[ ${1-} == --test && ! -x $promtool ]] && ! command -v promtool >/dev/null; then
  echo "setup: fetching promtool"
  folder=$(mktemp -d)
  if (cd "$folder" && apt-get -q -o APT::Sandbox::User=root download prometheus </dev/null &&
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool); then
    install -D "$folder/usr/bin/promtool" "$promtool"
  else
    echo "setup: no promtool from Debian's package prometheus; the test of the alert rules will be skipped" >&2
  fi
  rm -r "$folder"
fi

# --- SQLite's amalgamation -------------------------------------------------------------------------------------------

sqlite=third_party/sqlite
source_file=$sqlite/node_modules/better-sqlite3/deps/sqlite3/sqlite3.c
source_sha256=60d2f39a3726cd6b9021da6f4e868608d66fbb6528a9f513dc8ffcc640493422
source_is_right() { echo "$source_sha256  $source_file" | sha256sum --check --status 2>/dev/null; }

# Somebody may have emptied the folder and left the stamp.
source_is_right || rm -f "$sqlite/node_modules/.admetricsd-stamp"
scripts/npm_ci.sh "$sqlite" || fail "could not fetch SQLite"
source_is_right || fail "$source_file does not have the expected SHA-256 $source_sha256"

# --- What the live page is bundled with ------------------------------------------------------------------------------

scripts/npm_ci.sh web || fail "could not fetch the page's packages"
[[ ${1-} != --test ]] || scripts/npm_ci.sh tests/page || echo "setup: without tests/page/node_modules some tests are skipped" >&2
