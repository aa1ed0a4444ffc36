#!/usr/bin/env bash
# A table moved through a cold backup, and a check of it: two embedded clusters share a block service. 200,000 rows,
# some with an expiry, of which clients overwrote and deleted some, are backed up on a and restored on b. Then the table
# on a is dropped, and the backup alone becomes another table on b. Both are compared without the tool's own eyes. It
# leaves .demo-restore behind and ends with exactly one line,
#   demo-restore: ok rows=N differences=0 seconds=S        exit code 0
#   demo-restore: FAILED <why>                             exit code 1
set -euo pipefail
cd "$(dirname "$0")/.."

rows=${ROWS:-200000}
dir=${DIR:-.demo-restore}
name=demo-restore
. scripts/demo-frame.sh

build

title "two clusters, a and b, with one block service: the folder $dir/blocks"
sandbox_up -block-service "store=$dir/blocks"

title "$rows rows on a, every fifth with an expiry; clients overwrite and delete some of them, and write others"
run pegmigrate sandbox load -dir "$dir" -cluster a -table demo -partitions 8 -rows "$rows" -sort-keys 1-50 -ttl-share 0.2
run pegmigrate sandbox env -dir "$dir" -cluster a -table demo default_ttl=8640000 replica.slow_query_threshold=77
run pegmigrate sandbox traffic -dir "$dir" -table demo -dual a -found 5000 -rate 3000 -for 5s -journal "$dir/journal" 2>"$dir/clients.log" >"$dir/clients.json"
grep -q '"del' "$dir/journal" || fail "no row was deleted"

title "the declaration: $dir/move/migration.hcl"
{ declared_clusters && declared_store; } >"$dir/clusters.hcl"
cat "$dir/clusters.hcl" - >"$dir/move/migration.hcl" <<'HCL'

migration "demo" {
  source {
    cluster = cluster.a
    table   = "demo"
  }
  target {
    cluster = cluster.b
  }
  method "backup_restore" {
    provider      = provider.store
    source_writes = "fenced" # writes are rejected, proven per partition, until rows are compared
  }
  approve = ["backup"]
}
HCL
cat "$dir/move/migration.hcl"

title "plan: looks at both clusters and the block service, and changes nothing"
run pegmigrate plan "$dir/move"

title "apply, up to the gate before writes are rejected"
stops_at_gate pegmigrate apply -auto-approve "$dir/move"

title "backup, check, restore, comparison"
applied pegmigrate apply -auto-approve -approve backup "$dir/move"

# dump CLUSTER TABLE FILE writes a table as text: a line is {"p":partition,"k":"key","v":"value","e":expiry}.
dump() {
  why="the dump of $1/$2 failed"
  printf '$ pegmigrate sandbox dump -dir %s -cluster %s -table %s\n' "$dir" "$1" "$2"
  pegmigrate sandbox dump -dir "$dir" -cluster "$1" -table "$2" >"$dir/$3"
}

# compare FILE says whether it is what a/demo was.
compare() {
  if ! cmp -s "$dir/a.rows" "$dir/$1"; then
    differences=$(diff "$dir/a.rows" "$dir/$1" | grep -c '^[<>]' || true)
    diff "$dir/a.rows" "$dir/$1" | head -n 10 || true
    fail "$differences lines differ between a/demo and $1"
  fi
  echo "a/demo and $1: $(wc -l <"$dir/$1") lines, no difference"
}

title "both tables as text, compared with cmp"
dump a demo a.rows
dump b demo b.rows
compare b.rows
moved=$(wc -l <"$dir/b.rows")
expiring=$(grep -vc '"e":0}$' "$dir/b.rows" || true)
[ "$moved" -ge "$((rows * 9 / 10))" ] || fail "b holds $moved rows, $rows were loaded"
[ "$expiring" -gt 0 ] || fail "no row has an expiry: the comparison says nothing about them"
why="clients were promised something that b does not hold"
run pegmigrate sandbox traffic -dir "$dir" -table demo -check -journal "$dir/journal" -cluster b

title "nothing is left on the clusters; the backup stays on the block service"
run pegmigrate doctor "$dir/move"
backup=$(cd "$dir/blocks" && echo a/*)
[ -s "$dir/blocks/$backup/backup_info" ] || fail "there is no finished backup in $dir/blocks/$backup"
echo "$backup"

title "the table is dropped: its backup is all that is left, and becomes b/revived"
run pegmigrate sandbox drop -dir "$dir" -cluster a -table demo
mkdir -p "$dir/revive"
cat "$dir/clusters.hcl" - >"$dir/revive/migration.hcl" <<HCL

migration "revived" {
  source {
    backup {
      path   = "$backup"
      app_id = 1
      table  = "demo"
    }
  }
  target {
    cluster = cluster.b
    table   = "revived"
  }
  method "backup_restore" {
    provider = provider.store
  }
}
HCL
sed -n '/^migration/,$p' "$dir/revive/migration.hcl"
run pegmigrate plan "$dir/revive"
apply=(pegmigrate apply -auto-approve "$dir/revive")
printf '$ %s\n' "${apply[*]}"
why="\`${apply[*]}\` failed"
"${apply[@]}" >"$dir/plan.again"

title "the revived table, compared with what a/demo was"
dump b revived revived.rows
compare revived.rows
run pegmigrate doctor "$dir/revive"
rm -f "$dir"/*.rows

echo
echo "$name: ok rows=$moved differences=0 seconds=$(($(date +%s) - started))"
