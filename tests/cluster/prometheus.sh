#!/usr/bin/env bash
# Prints the path of a Prometheus to test against, getting one into the cache first if need be:
#   1. SERIN_PROMETHEUS, or any `prometheus` on PATH;
#   2. where apt is (Debian, Ubuntu): the package, unpacked into the cache. Not installed: no service starts,
#      no user is made, and it needs no root;
#   3. elsewhere: built with Go from the module pinned in prometheus/go.mod.
# With --path it only prints where it is (or would be).
set -euo pipefail

here=$(cd "$(dirname "$0")/prometheus" && pwd)
cache=${SERIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/serin}
# shellcheck source=tests/cluster/cache.sh
. "$here/../cache.sh"

present=${SERIN_PROMETHEUS:-$(command -v prometheus || true)}
if [ -n "$present" ]; then
  echo "$present"
  exit 0
fi

binary=$cache/prometheus-$(hash_of "$here/go.mod" "$here/go.sum")/prometheus

if [ "${1:-}" = --path ]; then
  echo "$binary"
  exit 0
fi

get() {
  if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null && unpack "$1"; then return 0; fi
  build "$1"
}

# The package lists may be missing or old (a fresh image has none): then they are read again, which needs
# root. Any failure here only means that Go builds it instead.
unpack() {
  room=$(mktemp -d)
  (
    cd "$room"
    apt-get download prometheus >&2 || { apt-get update >&2 && apt-get download prometheus >&2; }
  ) 2>/dev/null && dpkg-deb -x "$room"/prometheus_*.deb "$room/tree" &&
    "$room/tree/usr/bin/prometheus" --version >/dev/null 2>&1 && cp "$room/tree/usr/bin/prometheus" "$1"
  found=$?
  rm -rf "$room"
  return $found
}

build() {
  need_go "or install Prometheus so that 'prometheus' is on PATH (Debian: apt-get install prometheus; macOS: brew install prometheus)"
  module=github.com/prometheus/prometheus
  version=$(cd "$here" && go list -m -f '{{.Version}}' $module)
  echo "building Prometheus $version for the tests (once, a few minutes) into $(dirname "$binary")" >&2
  (cd "$here" && CGO_ENABLED=0 go build -trimpath -tags remove_all_sd -ldflags "-s -w" -o "$1" $module/cmd/prometheus)
}

once "$binary" get
echo "$binary"
