#!/usr/bin/env bash
# Measures copying and comparing, and prints a table in Markdown.
#   scripts/bench.sh rates [FLAGS OF go test]   the matrix; -short is a quick look
#   scripts/bench.sh large [FLAGS OF go test]   20 and 40 million rows from 1,024 to 256 partitions
#   KEEP=1   also put the table into BENCHMARKS.md, in place of the one that it has
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:?rates or large}
shift
case $what in
  rates) command="make bench" bench=BenchmarkRates flags=(-benchtime 4s -timeout 1h) ;;
  large) command="make bench-large" bench=BenchmarkLarge flags=(-benchtime 1x -timeout 3h) ;;
  *) echo "bench: $what is neither rates nor large" >&2; exit 1 ;;
esac

[ $# = 0 ] || command="scripts/bench.sh $what $*"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
before=$(cut -d' ' -f1-3 /proc/loadavg)
failed=0
"${GO:-go}" test -run '^$' -bench "^$bench\$" "${flags[@]}" ./internal/bench "$@" | tee "$work/out" || failed=1
{
  echo "**Measured** on $(date -u +%F), $(nproc) CPUs ($(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1)), Linux $(uname -r | cut -d- -f1), $("${GO:-go}" env GOVERSION)," \
    "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown). Load $before before and $(cut -d' ' -f1-3 /proc/loadavg) after; \`$command\`"
  echo
  awk -v what="$what" -f scripts/bench-table.awk "$work/out"
} >"$work/table"
cat "$work/table"
if [ "$failed" = 1 ] || [ "${KEEP:-}" != 1 ]; then exit "$failed"; fi
awk -v from="<!-- $what -->" -v to="<!-- end of $what -->" -v table="$work/table" '
  $0 == from { print; while ((getline line < table) > 0) print line; skip = 1; found = 1; next }
  $0 == to { skip = 0 }
  !skip { print }
  END { if (!found) { print "bench: BENCHMARKS.md has no place for this table" >"/dev/stderr"; exit 1 } }' BENCHMARKS.md >"$work/new"
cp "$work/new" BENCHMARKS.md
echo "BENCHMARKS.md has the new table" >&2
