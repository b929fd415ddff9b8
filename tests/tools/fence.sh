#!/usr/bin/env bash
# The purity fence: without the feature `shell` the core's dependencies hold no runtime, no HTTP and no Kubernetes client,
# and code that reaches for one does not compile.
set -euo pipefail
cd "$(dirname "$0")/../.."

tree=$(cargo tree --edges normal --no-default-features --prefix none | awk '{print $1}' | sort -u)
for banned in tokio kube kube-client hyper reqwest axum tower tracing futures slack-morphism prometheus-http-query; do
  if grep -qx "$banned" <<<"$tree"; then
    echo "fence: the core depends on $banned; make it optional and part of the feature \`shell\` in Cargo.toml" >&2
    exit 1
  fi
done

# A probe that must not compile: it reaches for the runtime from inside the fence.
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
mkdir -p "$probe/src"
cp Cargo.toml Cargo.lock "$probe/"
cp -R src/. "$probe/src/"
cp -R tests "$probe/tests"
printf '\npub async fn hole() { tokio::task::yield_now().await }\n' >>"$probe/src/plan/note.rs"
target=${CARGO_TARGET_DIR:-$PWD/target}
if CARGO_TARGET_DIR="$target" cargo check --quiet --lib --no-default-features --manifest-path "$probe/Cargo.toml" 2>"$probe/out"; then
  echo "fence: code inside src/plan could use tokio without the feature \`shell\`" >&2
  exit 1
fi
grep -q 'tokio' "$probe/out" || { cat "$probe/out" >&2; exit 1; }
echo "fence: $(wc -l <<<"$tree") packages in the core, none of them does IO; a probe that reaches for tokio is refused"
