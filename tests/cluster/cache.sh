# Shared by build.sh and prometheus.sh: a cache of tools outside the checkout. Sourced, not run.
# shellcheck shell=bash disable=SC2154  # $here is the sourcing script's

# The first 16 hex digits of one hash over the files, by content and order.
hash_of() {
  if command -v sha256sum >/dev/null; then
    cat "$@" | sha256sum | cut -c1-16
  else
    cat "$@" | shasum -a 256 | cut -c1-16
  fi
}

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# Ends with the way to mend it when Go is missing; $1 names another way, if there is one.
need_go() {
  wanted=$(sed -n 's/^go //p' "$here/go.mod")
  if command -v go >/dev/null; then return 0; fi
  fail "Go $wanted or newer is needed and no 'go' is on PATH." \
    "Install it from https://go.dev/dl/ (macOS: brew install go), ${1:+$1, }then run this again"
}

# once FILE MAKE: makes FILE by calling `MAKE TEMPORARY` unless it exists. The result appears by a rename,
# so nobody sees half of it. A lock keeps parallel runs from doing the work twice; it is a symbolic link
# whose target is the holder's process id (made in one step, so never without an id), and the lock of a
# run that was killed is taken over.
once() {
  file=$1
  if [ -x "$file" ]; then return 0; fi
  mkdir -p "$(dirname "$file")"
  lock=$file.lock
  until ln -s "$$" "$lock" 2>/dev/null; do
    holder=$(readlink "$lock" || true)
    if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then rm -f "$lock"; else sleep 1; fi
  done
  trap 'rm -f "$lock" "$file.$$"' EXIT
  if [ ! -x "$file" ]; then
    "$2" "$file.$$"
    chmod +x "$file.$$"
    mv "$file.$$" "$file"
  fi
  rm -f "$lock"
  trap - EXIT
}
