#!/usr/bin/env bash
# A copy of a table that clients write to and delete from, 2,000 operations a second, on one machine, and a check
# of it: two embedded clusters, 600,000 rows, from 8 to 16 partitions. The copy is held to CAP rows per second,
# as one is that has to leave clients their servers; writes are rejected only while what they changed is brought
# over and both tables are compared, which no cap holds. That has to take less than a tenth of the copy. It leaves
# .demo-catchup behind and ends with exactly one line,
#   demo-catchup: ok rows=N acknowledged=N copy=S window=S differences=0 seconds=S   exit code 0
#   demo-catchup: FAILED <why>                                                       exit code 1
set -euo pipefail
cd "$(dirname "$0")/.."

rows=${ROWS:-600000}
cap=${CAP:-8000}
rate=${RATE:-2000}
dir=${DIR:-.demo-catchup}
name=demo-catchup
. scripts/demo-frame.sh

build

title "clusters a and b, a MetaProxy that leads clients to a"
sandbox_up -metaproxies 1

title "$rows rows on a"
run pegmigrate sandbox load -dir "$dir" -cluster a -table demo -partitions 8 -rows "$rows" -sort-keys 1-50 -ttl-share 0.2
run pegmigrate sandbox route set -dir "$dir" -table demo -cluster a

title "the declaration: $dir/move/migration.hcl"
declared_clusters >"$dir/move/migration.hcl"
cat >>"$dir/move/migration.hcl" <<HCL
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
    source_writes = "catch_up" # clients write while rows are copied
  }
  after {
    source = "keep_fenced" # what a holds then is what b holds
  }
  limits {
    rows_per_second = $cap
    write_reject    = "30s"
  }
  approve = ["fence"]
}
HCL
cat "$dir/move/migration.hcl"

title "clients write and delete: $rate operations per second"
clients_work clients pegmigrate sandbox traffic -dir "$dir" -table demo -rate "$rate" -clients writer/go,writer/java -journal "$dir/journal"
sleep 3

title "plan"
run pegmigrate plan "$dir/move"

title "the copy, up to the gate before writes are rejected"
stops_at_gate pegmigrate apply -auto-approve "$dir/move"
copied=$(pegmigrate status -json "$dir/move" | grep -o '"id": *"copy"[^}]*')
moment() { date -d "$(grep -o "\"$1\": *\"[^\"]*\"" <<<"$copied" | cut -d '"' -f 4)" +%s%N; }
copy=$((($(moment finished) - $(moment started)) / 1000000))

title "the fence, and what clients changed meanwhile"
applied pegmigrate apply -auto-approve -approve fence "$dir/move"

title "the clients, whose writes are rejected now"
clients_end 3 rejected

title "every write that they were promised is on b, nothing that they deleted came back"
promised b

title "the same question without pegmigrate's differ: both tables as text"
# A line is {"p":partition,"k":"key","v":"value","e":expiry}. The partition is left out: the counts differ.
for cluster in a b; do
  pegmigrate sandbox dump -dir "$dir" -cluster "$cluster" -table demo | sed 's/^{"p":[0-9]*,/{/' >"$dir/rows.$cluster"
done
differences=$(diff "$dir/rows.a" "$dir/rows.b" | grep -c '^[<>]' || true)
[ "$differences" -eq 0 ] || fail "$differences rows differ"

title "what is on record"
run pegmigrate report "$dir/move"

why="the summary could not be made"
window=$(window)
acknowledged=$(grep -c . "$dir/journal")
held=$(wc -l <"$dir/rows.b")
rm -f "$dir/rows.a" "$dir/rows.b"
most_rows_are_held "$held"
[ "$((window * 10))" -lt "$copy" ] || fail "writes were rejected for $window ms, the copy took $copy ms: not under a tenth"
echo
echo "$name: ok rows=$held acknowledged=$acknowledged copy=${copy}ms window=${window}ms differences=$differences seconds=$(($(date +%s) - started))"
