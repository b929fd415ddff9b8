#!/usr/bin/env bash
# Builds the control plane of the tests and the demo once, into a cache outside the checkout, and prints
# the path of the binary. With --path it only prints where the binary is (or would be).
#
# The cache entry is named by a hash of everything that goes in, so an edit makes a new entry and never
# a wrong hit. Two runs at the same time build once: the second waits for the first.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${SERIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/serin}
# shellcheck source=tests/cluster/cache.sh
. "$here/cache.sh"

entry=$cache/cluster-$(hash_of "$here/go.mod" "$here/go.sum" "$here/main.go")
binary=$entry/serin-cluster

if [ "${1:-}" = --path ]; then
  echo "$binary"
  exit 0
fi

build() {
  need_go
  version=$(cd "$here" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
  major_minor=${version#v}
  set_version=k8s.io/component-base/version
  flags="-s -w -X $set_version.gitVersion=$version"
  flags="$flags -X $set_version.gitMajor=${major_minor%%.*}"
  minor=${major_minor#*.}
  flags="$flags -X $set_version.gitMinor=${minor%%.*}"
  echo "building Kubernetes $version for the tests (once, about 4 minutes on 2 cores) into $entry" >&2
  (cd "$here" && CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$1" .)
}

once "$binary" build
echo "$binary"
