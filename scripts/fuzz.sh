#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME each, one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}

found=0
for package in $("$go" list ./...); do
  for target in $("$go" test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    found=$((found + 1))
    echo "== $package $target"
    "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-20s}" "$package"
  done
done
[ "$found" -gt 0 ] || {
  echo "fuzz: no target was found" >&2
  exit 1
}
echo "fuzz: ok targets=$found"
