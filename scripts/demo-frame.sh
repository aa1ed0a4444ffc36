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
