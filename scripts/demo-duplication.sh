#!/usr/bin/env bash
# An online migration on one machine, and a check of it: two embedded clusters (the target has one meta
# server), a ZooKeeper and two MetaProxies, 200,000 rows in a table with default_ttl and a past manual
# compaction. A writer, a reader and a client that increments work through the proxies all the time.
# Nothing that a client was promised may be missing, nothing that it deleted may come back. It leaves
# .demo-duplication behind and ends with exactly one line,
#   demo-duplication: ok rows=N acknowledged=N window=S budget=S seconds=S      exit code 0
#   demo-duplication: FAILED <why>                                              exit code 1
set -euo pipefail
cd "$(dirname "$0")/.."

rows=${ROWS:-200000}
rate=${RATE:-2000}
version=${VERSION:-2.5.0}
dir=${DIR:-.demo-duplication}
name=demo-duplication
. scripts/demo-frame.sh

build

title "clusters a and b ($version), a ZooKeeper, two MetaProxies"
up=(-metas 1 -metaproxies 2)
if [ "$version" != 2.5.0 ]; then up+=(-version "$version"); fi
sandbox_up "${up[@]}"

title "$rows rows on a; default_ttl, the envs of a past compaction, and a route that leads to a"
run pegmigrate sandbox load -dir "$dir" -cluster a -table demo -partitions 8 -rows "$rows" -sort-keys 1-50 -ttl-share 0.2
run pegmigrate sandbox env -dir "$dir" -cluster a -table demo default_ttl=8640000 manual_compact.once.trigger_time=1700000000
run pegmigrate sandbox route set -dir "$dir" -table demo -cluster a

title "the declaration: $dir/move/migration.hcl"
declared_clusters >"$dir/move/migration.hcl"
cat >>"$dir/move/migration.hcl" <<'HCL'
migration "demo" {
  source {
    cluster = cluster.a
    table   = "demo"
  }
  target {
    cluster = cluster.b
  }
  method "duplication" {
    drop_follower = true
  }
  cutover {
    traffic_proof = "10s"
    metaproxy {
      root    = local.sandbox.route_root # ZooKeeper: the one that cluster a itself uses
      proxies = local.sandbox.metaproxies
    }
  }
  limits {
    write_reject = "20s"
  }
  approve = ["cutover"]
}
HCL
cat "$dir/move/migration.hcl"

title "clients work through the proxies: $rate operations per second; one of them increments"
work=(pegmigrate sandbox traffic -dir "$dir" -table demo -rate "$rate")
"${work[@]}" -clients incr -for 8s -journal "$dir/incr.journal" >"$dir/incr.json" 2>"$dir/incr.log" &
incr=$!
clients_work clients "${work[@]}" -clients writer/go,writer/java,reader/go -journal "$dir/journal"
sleep 5

title "plan refuses: a client would be rejected from the moment the duplication exists"
printf '$ pegmigrate plan %s/move\n' "$dir"
if pegmigrate plan "$dir/move" >"$dir/refused.txt"; then fail "plan did not refuse a table that is incremented"; fi
grep -A 2 PM2214 "$dir/refused.txt" || fail "plan refused for another reason: $(grep -m 1 error "$dir/refused.txt")"
why="the client that increments failed"
wait "$incr"

title "without it: plan"
for _ in $(seq 60); do # counters of the last seconds still know it
  pegmigrate plan "$dir/move" >"$dir/plan.txt" && break
  sleep 1
done
run pegmigrate plan "$dir/move"

title "apply, up to the gate before writes are rejected"
stops_at_gate pegmigrate apply -auto-approve "$dir/move"

title "the cut-over"
applied pegmigrate apply -auto-approve -approve cutover "$dir/move"

title "the clients, which knew nothing of it"
sleep 2
clients_end 3 rejected
cat "$dir/clients.json"

title "every write that they were promised is on b, nothing that they deleted came back"
promised b | tee "$dir/check.json"

title "what of the cut-over is on record"
run pegmigrate report "$dir/move"

title "nothing is left behind but the closed source"
only_the_fence_is_left

why="the summary could not be made"
window=$(window)
acknowledged=$(grep -c . "$dir/journal")
held=$(pegmigrate sandbox dump -dir "$dir" -cluster b -table demo | wc -l)
most_rows_are_held "$held"
echo
echo "$name: ok rows=$held acknowledged=$acknowledged window=${window}ms budget=20s seconds=$(($(date +%s) - started))"
