# shellcheck shell=bash
# What the demos share. It is sourced from the root of the repository by a script that has set
#   name   the word that its last line begins with
#   dir    the folder that it leaves behind
# and keeps in sandbox and clients the processes that have to end with it.
go=${GO:-go}
sandbox=
clients=
started=$(date +%s)

# finish stops everything, whatever happened; the last line of a demo is `NAME: ok ...` or this one.
finish() {
  status=$?
  trap - EXIT INT TERM
  for process in $clients $sandbox; do
    kill -TERM "$process" 2>/dev/null || true
    for _ in $(seq 100); do
      kill -0 "$process" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  [ "$status" -eq 0 ] && exit 0
  echo "$name: FAILED ${why:-exit code $status}"
  exit 1
}
trap finish EXIT
trap 'why=interrupted; exit 130' INT TERM

fail() {
  why=$*
  exit 1
}

title() { printf '\n== %s\n' "$*"; }

# run shows a command and runs it.
run() {
  why="\`$*\` failed"
  printf '$ %s\n' "$*"
  "$@"
}

# build puts the program of this tree first in the path.
build() {
  scripts/setup.sh || fail "set-up"
  title "build"
  why="the build failed"
  export CGO_ENABLED=0
  "$go" build -trimpath -o bin/pegmigrate .
  PATH=$PWD/bin:$PATH
}

# sandbox_up OPTION... begins clusters a and b in an empty $dir, and waits until they serve.
sandbox_up() {
  local up=(pegmigrate sandbox up -dir "$dir" -clusters 2 "$@")
  rm -rf "$dir"
  mkdir -p "$dir/blocks" "$dir/move"
  printf '$ %s &\n' "${up[*]}"
  "${up[@]}" >"$dir/sandbox.log" 2>&1 &
  sandbox=$!
  for _ in $(seq 300); do
    [ -e "$dir/sandbox.json" ] && return
    kill -0 "$sandbox" 2>/dev/null || fail "the sandbox ended: $(tail -n 1 "$dir/sandbox.log")"
    sleep 0.1
  done
  fail "the sandbox was not ready after 30 seconds"
}

# declared_clusters prints the head of a declaration in a folder below $dir: clusters a and b of the sandbox.
declared_clusters() {
  cat <<'HCL'
locals {
  sandbox = jsondecode(file("../sandbox.json"))
}

cluster "a" {
  meta_servers = local.sandbox.clusters[0].meta_servers
}
cluster "b" {
  meta_servers = local.sandbox.clusters[1].meta_servers
}

HCL
}

# declared_store prints the block service of the servers of both clusters.
declared_store() {
  cat <<'HCL'
provider "store" { # [block_service.store] of the servers of both clusters
  type = "local_service"
  args = local.sandbox.block_store
}
HCL
}

# applied APPLY... runs apply to its end.
applied() {
  why="\`$*\` failed"
  printf '$ %s   # the plan that it prints again is left out\n' "$*"
  "$@" >"$dir/plan.again"
}

# stops_at_gate APPLY... runs apply, which must stop at a gate.
stops_at_gate() {
  local status=0
  why="\`$*\` failed"
  printf '$ %s   # the plan that it prints again is left out\n' "$*"
  "$@" >"$dir/plan.again" || status=$?
  [ "$status" -eq 3 ] || fail "\`$*\` ended with $status, not at a gate"
}

# clients_work NAME TRAFFIC... begins clients that work until clients_end; $dir/NAME.log is what they say, NAME.json
# what they did.
clients_work() {
  clients_at=$dir/$1
  shift
  printf '$ %s &\n' "$*"
  "$@" >"$clients_at.json" 2>"$clients_at.log" &
  clients=$!
}

# clients_end LINES [rejected] ends them and shows the end of what they said. Clients that were rejected meanwhile do
# not end well.
clients_end() {
  why="the clients failed: $(tail -n 1 "$clients_at.log")"
  kill -TERM "$clients"
  wait "$clients" || [ "${2:-}" = rejected ]
  clients=
  tail -n "$1" "$clients_at.log"
}

# promised CLUSTER... checks that every write that clients were promised is on these clusters, and that nothing
# that they deleted came back.
promised() {
  local cluster
  for cluster in "$@"; do
    run pegmigrate sandbox traffic -dir "$dir" -table demo -check -journal "$dir/journal" -cluster "$cluster"
  done
}

# window prints how long writes were rejected, in milliseconds, as the certificate has it.
window() {
  local ns
  ns=$(pegmigrate report -format json "$dir/move" | grep -o '"total_ns": *[0-9]*' | head -n 1 | grep -o '[0-9]*$')
  echo $((ns / 1000000))
}

# only_the_fence_is_left asks doctor, which has to find the closed source and nothing else.
only_the_fence_is_left() {
  printf '$ pegmigrate doctor %s/move\n' "$dir"
  pegmigrate doctor "$dir/move" >"$dir/doctor.txt" && fail "doctor does not see that a/demo is closed"
  cat "$dir/doctor.txt"
  [ "$(grep -c '^[^ ]' "$dir/doctor.txt")" -eq 1 ] || fail "doctor finds more than the fence"
}

# most_rows_are_held N checks that so many rows on b are most of those that a was given.
most_rows_are_held() {
  [ "$1" -ge "$((rows * 9 / 10))" ] || fail "b holds $1 rows, a had $rows"
}
