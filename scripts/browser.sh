#!/usr/bin/env bash
# Runs a command with a real browser at hand:
#   scripts/browser.sh go test -run Browser .
# Debian's package chromium is installed when it is not there. The command finds the program in
# PEGMIGRATE_TEST_BROWSER. What is missing is an error, never a reason to skip.
set -euo pipefail

fail() {
  echo "browser: $1" >&2
  exit 1
}

find_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

[ $# -gt 0 ] || fail "give a command to run"
if ! find_browser >/dev/null; then
  install="apt-get install -y --no-install-recommends chromium"
  as_root=""
  command -v apt-get >/dev/null 2>&1 || fail "there is no apt-get to install a browser with; have chromium in the path, as Debian's package does"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || fail "chromium is not installed; as root: $install"
    as_root="sudo -n"
  fi
  echo "browser: installing chromium" >&2
  # shellcheck disable=SC2086
  { $as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive $as_root $install; } >/dev/null ||
    fail "the package could not be installed; as root: $install"
fi
browser=$(find_browser) || fail "chromium is not there although the package is installed"

PEGMIGRATE_TEST_BROWSER=$browser "$@"
