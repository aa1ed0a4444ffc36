#!/usr/bin/env bash
# A migration that no client is rejected for, by clients that write both tables, and a check of it: two embedded
# clusters that share a block service, 100,000 rows on a, every fifth with an expiry; 4 partitions become 8. Method
# dual_write. One writer knows a alone, and ends before the gate; a dual writer goes on from there until after the
# end: it puts, overwrites and deletes, also rows that were there before it. Afterwards both tables are compared
# without the tool, and every write and delete that was acknowledged must be on both. It leaves .demo-dualwrite
# behind and ends with exactly one line,
#   demo-dualwrite: ok rows=N acknowledged=N deletes=N differences=0 seconds=S      exit code 0
#   demo-dualwrite: FAILED <why>                                                    exit code 1
set -euo pipefail
cd "$(dirname "$0")/.."

rows=${ROWS:-100000}
rate=${RATE:-1000}
dir=${DIR:-.demo-dualwrite}
name=demo-dualwrite
. scripts/demo-frame.sh

# differences prints how many rows of two dumps differ: key, value, and expiry. A line is
# {"p":partition,"k":"key","v":"value","e":expiry}. Partitions differ since the counts do. A client that gives a
# row a time to live computes its end once per table: the ends may be some seconds apart.
differences() {
  awk -F'"' '
    { key = $6; value = $10; expiry = $13; gsub(/[^0-9]/, "", expiry) }
    NR == FNR { values[key] = value; expiries[key] = expiry; next }
    !(key in values) || values[key] != value { n++; if (n <= 5) print "differs: " $0 >"/dev/stderr" }
    key in values && values[key] == value {
      apart = expiries[key] - expiry
      if ((expiries[key] == 0) != (expiry == 0) || apart > 60 || apart < -60) {
        n++; if (n <= 5) print "expiry differs by " apart ": " $0 >"/dev/stderr"
      }
    }
    { delete values[key] }
    END { for (key in values) { n++; if (n <= 5) print "only on a: " key >"/dev/stderr" }; print n + 0 }' "$1" "$2"
}

build

title "two clusters, a and b, with one block service: the folder $dir/blocks"
sandbox_up -block-service "store=$dir/blocks"

title "$rows rows on a: 4 partitions, 1 to 50 sort keys per hash key, every fifth row with an expiry"
run pegmigrate sandbox load -dir "$dir" -cluster a -table demo -partitions 4 -rows "$rows" -sort-keys 1-50 -ttl-share 0.2

title "the declaration: $dir/move/migration.hcl"
{ declared_clusters && declared_store; } >"$dir/move/migration.hcl"
cat >>"$dir/move/migration.hcl" <<'HCL'

migration "demo" {
  source {
    cluster = cluster.a
    table   = "demo"
  }
  target {
    cluster         = cluster.b
    partition_count = 8 # the source has 4
  }
  method "dual_write" {
    provider = provider.store
  }
  after {
    source = "keep_fenced" # at the end whoever still writes a is rejected
  }
  approve = ["cutover"] # beside "dual_write", which is always asked for
}
HCL
cat "$dir/move/migration.hcl"
run pegmigrate validate "$dir/move"

title "a client of today: it knows a alone"
work=(pegmigrate sandbox traffic -dir "$dir" -table demo -rate "$rate")
clients_work before "${work[@]}" -clients writer/java -dual a -found 500 -journal "$dir/before.journal"

title "plan looks at both clusters and the block service, and changes nothing"
run pegmigrate plan "$dir/move"

title "apply makes the table on b, and stops: clients have to write both first"
stops_at_gate pegmigrate apply -auto-approve "$dir/move"

title "the clients of today end, dual writers take over: both tables, deletes as well, what fails is repeated"
clients_end 1
clients_work clients "${work[@]}" -clients writer/java,writer/go,reader/java -dual a,b -found 5000 -journal "$dir/journal"
for _ in $(seq 300); do
  grep -q ' ok ' "$dir/clients.log" && break
  kill -0 "$clients" 2>/dev/null || fail "the dual writer ended: $(tail -n 1 "$dir/clients.log")"
  sleep 0.1
done

title "apply: that they do is confirmed, proven, and used"
stops_at_gate pegmigrate apply -auto-approve -approve dual_write "$dir/move"

title "the clients, which were never rejected on a"
sleep 2
clients_end 1
cat "$dir/clients.json"

title "both tables as text, compared without the tool"
for cluster in a b; do
  why="the dump of $cluster failed"
  printf '$ pegmigrate sandbox dump -dir %s -cluster %s -table demo\n' "$dir" "$cluster"
  pegmigrate sandbox dump -dir "$dir" -cluster "$cluster" -table demo >"$dir/$cluster.rows"
done
why="the comparison failed"
held=$(wc -l <"$dir/b.rows")
echo "rows on a: $(wc -l <"$dir/a.rows")"
echo "rows on b: $held"
differ=$(differences "$dir/a.rows" "$dir/b.rows")
echo "differences: $differ"
[ "$differ" -eq 0 ] || fail "$differ rows differ between the two tables"
most_rows_are_held "$held"

title "every write and delete that the dual writers were promised is on both"
promised a b

title "clients read and write b alone from here: the end"
applied pegmigrate apply -auto-approve -approve cutover "$dir/move"
run pegmigrate status "$dir/move"

title "nothing is left behind but the closed source and the backup"
only_the_fence_is_left
[ ! -e "$dir/blocks/pegmigrate" ] || fail "files that were written for the load are left in $dir/blocks/pegmigrate"

why="the summary could not be made"
acknowledged=$(grep -c '"end":"ok' "$dir/journal")
deletes=$(grep -c '"op":"delete"' "$dir/journal")
[ "$deletes" -gt 0 ] || fail "nothing was deleted: the comparison says nothing about deletes"
echo
echo "$name: ok rows=$held acknowledged=$acknowledged deletes=$deletes differences=$differ seconds=$(($(date +%s) - started))"
