#!/usr/bin/env bash
# Runs a command beside a real ZooKeeper:
#   scripts/zookeeper.sh go test -run TestRealZooKeeper ./internal/metaproxy
# Debian's package zookeeper is installed when it is not there. The server listens on a loopback port
# of its own, keeps its data in a folder of its own, and ends with the command, which finds the
# address in PEGMIGRATE_TEST_ZOOKEEPER. What is missing is an error, never a reason to skip.
set -euo pipefail

jar=/usr/share/java/zookeeper.jar

fail() {
  echo "zookeeper: $1" >&2
  exit 1
}

install_package() {
  local packages="zookeeper default-jre-headless" as_root=""
  command -v apt-get >/dev/null 2>&1 ||
    fail "there is no apt-get to install ZooKeeper with; have $jar and java at hand, as Debian's package zookeeper does"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || fail "ZooKeeper is not installed; as root: apt-get install -y $packages"
    as_root="sudo -n"
  fi
  echo "zookeeper: installing $packages" >&2
  # shellcheck disable=SC2086
  { $as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends $packages; } >&2 ||
    fail "the packages could not be installed; as root: apt-get install -y $packages"
}

[ $# -gt 0 ] || fail "give a command to run"
if [ ! -e "$jar" ] || ! command -v java >/dev/null 2>&1; then
  install_package
fi
[ -e "$jar" ] || fail "$jar is not there although the package is installed"
command -v java >/dev/null 2>&1 || fail "java is not there although the package is installed"

dir=$(mktemp -d)
server=""
stop() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$dir"
}
trap stop EXIT

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Somebody else may take the port between the look and the start: then the server ends, and another
# port is tried.
for _ in 1 2 3 4 5; do
  port=$((20000 + RANDOM % 12000))
  if listening "$port"; then continue; fi
  rm -rf "$dir/data"
  cat >"$dir/zoo.cfg" <<CFG
tickTime=1000
minSessionTimeout=2000
dataDir=$dir/data
clientPort=$port
clientPortAddress=127.0.0.1
admin.enableServer=false
CFG
  java -Xmx128m -Dzookeeper.jmx.log4j.disable=true -cp "$jar" \
    org.apache.zookeeper.server.quorum.QuorumPeerMain "$dir/zoo.cfg" >"$dir/log" 2>&1 &
  server=$!
  for _ in $(seq 300); do
    if listening "$port"; then break 2; fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=""
done
if [ -z "$server" ]; then
  cat "$dir/log" >&2 || true
  fail "ZooKeeper did not start"
fi

PEGMIGRATE_TEST_ZOOKEEPER=127.0.0.1:$port "$@"
