#!/usr/bin/env bash
# Measures what a split costs: reading alone, writing alone, 8 partitions into 32. RocksDB's own tools read the same
# files. Each figure is a process of its own, so that the memory is its own too.
#   PEGMIGRATE_BENCH_ROWS   rows of the table, 5000000
#   PEGMIGRATE_BENCH_DIR    folder that keeps the table for the next time; without it a folder that is removed
set -euo pipefail
cd "$(dirname "$0")/.."
export PEGMIGRATE_BENCH_ROWS=${PEGMIGRATE_BENCH_ROWS:-5000000}

scripts/rocksdb-tools.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PEGMIGRATE_BENCH_SPLIT=${PEGMIGRATE_BENCH_DIR:-$work/table}
mkdir -p "$PEGMIGRATE_BENCH_SPLIT"
"${GO:-go}" test -c -o "$work/splitter.test" ./internal/splitter
bench() { (cd internal/splitter && TMPDIR=$work "$work/splitter.test" -test.run '^$' -test.bench "^Benchmark$1\$" -test.benchtime 1x -test.timeout 1h "${@:2}"); }

echo "$(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg)"
if [ ! -f "$PEGMIGRATE_BENCH_SPLIT/onebox/1795224430664/backup_info" ]; then
  echo "making $PEGMIGRATE_BENCH_ROWS rows with ldb"
  bench Make >/dev/null
fi
table=$PEGMIGRATE_BENCH_SPLIT/onebox/1795224430664/orders_3
echo "table: $(du -sm "$table" | cut -f1) MiB in $(find "$table" -name '*.sst' ! -name '.*' | wc -l) files"

# own NAME COMMAND…: rows per second of processor time of one of RocksDB's tools, over copies of all partitions, because ldb
# changes what it opens
cp -r "$table" "$work/copy"
own() {
  local name=$1 before after p
  shift
  before=$(ticks)
  for p in "$work"/copy/[0-9]*/chkpt_*; do
    "$@" "$p" >/dev/null 2>&1
  done
  after=$(ticks)
  awk -v n="$name" -v r="$PEGMIGRATE_BENCH_ROWS" -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" \
    'BEGIN { printf "%-28s %9.0f rows/cpu-s\n", n, r / (t / hz) }'
}
# ticks that children of this shell have used
ticks() { awk '{ print $16 + $17 }' "/proc/$$/stat"; }
check() { sst_dump --file="$1" --command=check; }
scan() { sst_dump --file="$1" --command=scan --output_hex; }
count() { ldb --db="$1" --count_only dump; }
text() { ldb --db="$1" --hex scan; }

own "sst_dump check (no output)" check
own "sst_dump scan (as text)" scan
own "ldb dump --count_only" count
own "ldb scan (as text)" text
for what in Read Write Split; do
  bench "$what" "${@}" | grep '^Benchmark'
done
echo "load at the end $(cut -d' ' -f1-3 /proc/loadavg)"
