#!/usr/bin/env bash
# Tables that get another partition count through files, on one machine, and a check of it: two embedded
# clusters that share a block service, and 200,000 rows, every fifth with an expiry. Method backup_bulk_load
# takes them from 4 partitions to 16, from 16 to 4, and from 6, which no target may have, to 4. Each time both
# tables are compared as text, without the tool's own comparison. It leaves .demo-bulkload behind and ends with
# exactly one line,
#   demo-bulkload: ok rows=N differences=0 seconds=S      exit code 0
#   demo-bulkload: FAILED <why>                           exit code 1
set -euo pipefail
cd "$(dirname "$0")/.."

rows=${ROWS:-200000}
dir=${DIR:-.demo-bulkload}
name=demo-bulkload
. scripts/demo-frame.sh

build

title "two clusters, a and b, with one block service: the folder $dir/blocks"
sandbox_up -block-service "store=$dir/blocks"

title "the declaration: $dir/move/migration.hcl"
{
  declared_clusters
  declared_store
  for counts in "4 16" "16 4" "6 4"; do
    read -r from to <<<"$counts"
    cat <<HCL

migration "from_${from}_to_${to}" {
  source {
    cluster = cluster.a
    table   = "demo_${from}"
  }
  target {
    cluster         = cluster.b
    partition_count = ${to} # the source has ${from}
  }
  method "backup_bulk_load" {
    provider      = provider.store
    source_writes = "fenced" # writes are rejected, proven per partition, until rows are compared
  }
}
HCL
  done
} >"$dir/move/migration.hcl"
cat "$dir/move/migration.hcl"
run pegmigrate validate "$dir/move"

differences=0
moved=0
for counts in "4 16" "16 4" "6 4"; do
  read -r from to <<<"$counts"
  one=from_${from}_to_${to}
  table=demo_$from

  title "$from to $to partitions: $rows rows on a"
  run pegmigrate sandbox load -dir "$dir" -cluster a -table "$table" -partitions "$from" -rows "$rows" -sort-keys 1-50 -ttl-share 0.2

  title "$from to $to partitions: plan looks at both clusters and the block service, and changes nothing"
  run pegmigrate plan -migration "$one" "$dir/move"

  title "$from to $to partitions: apply"
  applied pegmigrate apply -auto-approve -migration "$one" "$dir/move"

  title "$from to $to partitions: both tables as text, compared with cmp"
  # A line is {"p":partition,"k":"key","v":"value","e":expiry}. The partition is left out, because
  # the tables have different counts.
  for cluster in a b; do
    why="the dump of $cluster failed"
    printf '$ pegmigrate sandbox dump -dir %s -cluster %s -table %s\n' "$dir" "$cluster" "$table"
    pegmigrate sandbox dump -dir "$dir" -cluster "$cluster" -table "$table" |
      sed 's/^{"p":[0-9]*,/{/' >"$dir/$cluster.rows"
  done
  source_rows=$(wc -l <"$dir/a.rows")
  target_rows=$(wc -l <"$dir/b.rows")
  expiring=$(grep -vc '"e":0}$' "$dir/b.rows" || true)
  echo "rows on a: $source_rows"
  echo "rows on b: $target_rows, $expiring with an expiry"
  if ! cmp -s "$dir/a.rows" "$dir/b.rows"; then
    differences=$(diff "$dir/a.rows" "$dir/b.rows" | grep -c '^[<>]' || true)
    diff "$dir/a.rows" "$dir/b.rows" | head -n 10 || true
  fi
  echo "differences: $differences"
  [ "$differences" -eq 0 ] || fail "$from to $to partitions: $differences lines differ between the two tables"
  [ "$source_rows" -eq "$rows" ] || fail "$rows rows were loaded and the source holds $source_rows"
  [ "$expiring" -gt 0 ] || fail "no row has an expiry: the comparison says nothing about them"
  rm -f "$dir/a.rows" "$dir/b.rows"
  moved=$((moved + target_rows))
done

title "what is left on the block service: the backups, and nothing that was written for the load"
find "$dir/blocks" -mindepth 1 -maxdepth 2 | sort
[ ! -e "$dir/blocks/pegmigrate" ] || fail "files that were written for the load are left in $dir/blocks/pegmigrate"

title "nothing is left on the clusters"
run pegmigrate doctor "$dir/move"

echo
echo "$name: ok rows=$moved differences=$differences seconds=$(($(date +%s) - started))"
