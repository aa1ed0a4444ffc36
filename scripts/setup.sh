#!/usr/bin/env bash
# Looks after what the other targets need, and says plainly what is missing.
#   scripts/setup.sh        Go 1.26 or later
#   scripts/setup.sh race   that, and a C compiler, which the race detector links with
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "setup: $1" >&2
  exit 1
}

command -v "${GO:-go}" >/dev/null 2>&1 || fail "Go is not installed; get 1.26 or later from https://go.dev/dl/"
# Asked inside the module, so that an older Go that fetches the right toolchain by itself passes.
version=$("${GO:-go}" env GOVERSION 2>&1) || fail "Go 1.26 or later is needed: $version"
number=${version##*go}
major=${number%%.*}
rest=${number#*.}
minor=${rest%%[!0-9]*}
case "$major.$minor" in
  *[!0-9.]* | .*) fail "cannot read the version of Go: $version" ;;
esac
if [ "$major" -lt 1 ] || { [ "$major" -eq 1 ] && [ "$minor" -lt 26 ]; }; then
  fail "Go 1.26 or later is needed, this is $version; get it from https://go.dev/dl/"
fi

[ "${1:-}" = race ] || exit 0
cc=$("${GO:-go}" env CC)
if ! command -v "${cc%% *}" >/dev/null 2>&1; then
  install="apt-get install -y --no-install-recommends gcc libc6-dev"
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1 ||
    fail "the race detector needs a C compiler; install one: sudo $install"
  echo "setup: installing a C compiler for the race detector"
  DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -q && $install" >/dev/null ||
    fail "the C compiler could not be installed; do it by hand: $install"
  command -v "${cc%% *}" >/dev/null 2>&1 || fail "the race detector needs the C compiler $cc, which is not there (go env CC)"
fi
