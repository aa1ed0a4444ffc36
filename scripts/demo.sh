#!/usr/bin/env bash
# A tour of pegmigrate on one machine, and a check of it at the same time: two embedded clusters,
# 200,000 rows, one migration from 8 to 16 partitions that is killed and goes on, and a comparison
# that does not use the tool's own. It leaves .demo behind to look at and ends with exactly one line,
#   demo: ok rows=N differences=0 seconds=S        exit code 0
#   demo: FAILED <why>                             exit code 1
set -euo pipefail
cd "$(dirname "$0")/.."

rows=${ROWS:-200000}
dir=.demo
name=demo
. scripts/demo-frame.sh

build

title "two clusters, a and b, of two meta and three replica servers each"
sandbox_up

title "$rows rows on a: 1 to 50 sort keys per hash key, every fifth row with an expiry"
run pegmigrate sandbox load -dir "$dir" -cluster a -table demo -partitions 8 -rows "$rows" -sort-keys 1-50 -ttl-share 0.2

title "the declaration: $dir/move/migration.hcl"
cat >"$dir/move/migration.hcl" <<'HCL'
locals {
  sandbox = jsondecode(file("../sandbox.json"))
}

cluster "a" {
  meta_servers = local.sandbox.clusters[0].meta_servers
}
cluster "b" {
  meta_servers = local.sandbox.clusters[1].meta_servers
}

migration "demo" {
  source {
    cluster = cluster.a
    table   = "demo"
  }
  target {
    cluster         = cluster.b
    partition_count = 16 # the source has 8
  }
  method "copy" {
    source_writes = "fenced" # writes are rejected, proven per partition, until rows are compared
  }
  limits {
    rows_per_second = 100000 # slow enough to be killed half-way
  }
}
HCL
cat "$dir/move/migration.hcl"

title "plan: looks at both clusters, changes nothing"
run pegmigrate plan "$dir/move"

title "apply, killed with SIGKILL in the middle of the copy"
apply=(pegmigrate apply -auto-approve "$dir/move")
printf '$ %s   # the plan that it prints again is left out here\n' "${apply[*]}"
"${apply[@]}" >/dev/null &
victim=$!
for _ in $(seq 300); do
  # The journal holds the cursors: what the target has acknowledged of each partition.
  [ -s "$dir/move/.pegmigrate/demo@copy.journal" ] && break
  kill -0 "$victim" 2>/dev/null || break
  sleep 0.1
done
if kill -KILL "$victim" 2>/dev/null; then echo "killed"; else echo "it was faster than the kill"; fi
wait "$victim" 2>/dev/null || true

title "status: what the state remembers and what the clusters show"
run pegmigrate status "$dir/move"

title "the same command goes on where it stopped"
why="\`${apply[*]}\` failed"
printf '$ %s\n' "${apply[*]}"
"${apply[@]}" >/dev/null

title "verify: the tool's own comparison, once more and alone"
run pegmigrate verify "$dir/move"

title "the same question without pegmigrate's differ: both tables as text, compared with cmp"
# A line is {"p":partition,"k":"key","v":"value","e":expiry}. The partition is left out, because
# the tables have different counts.
for cluster in a b; do
  why="the dump of $cluster failed"
  printf '$ pegmigrate sandbox dump -dir %s -cluster %s -table demo\n' "$dir" "$cluster"
  pegmigrate sandbox dump -dir "$dir" -cluster "$cluster" -table demo |
    sed 's/^{"p":[0-9]*,/{/' >"$dir/$cluster.rows"
done
source_rows=$(wc -l <"$dir/a.rows")
target_rows=$(wc -l <"$dir/b.rows")
echo "rows on a: $source_rows"
echo "rows on b: $target_rows"
differences=0
if ! cmp -s "$dir/a.rows" "$dir/b.rows"; then
  differences=$(diff "$dir/a.rows" "$dir/b.rows" | grep -c '^[<>]' || true)
  diff "$dir/a.rows" "$dir/b.rows" | head -n 10 || true
fi
[ "$differences" -eq 0 ] || fail "$differences lines differ between the two tables"
[ "$source_rows" -eq "$rows" ] || fail "$rows rows were loaded and the source holds $source_rows"
rm -f "$dir/a.rows" "$dir/b.rows"

echo
echo "$name: ok rows=$target_rows differences=$differences seconds=$(($(date +%s) - started))"
