#!/usr/bin/env bash
# Runs a command that can start a real HDFS:
#   scripts/hdfs.sh go test -run HDFS ./internal/blobstore
# Hadoop's jars are resolved by Maven, from wherever it is configured to get them, into its own local repository; Debian's
# packages maven and default-jre-headless are installed when they are not there. The command finds the class path in
# PEGMIGRATE_TEST_HDFS_CLASSPATH; the tests start and end the daemons themselves (package hdfstest), on loopback, in folders of
# their own. What is missing is an error, never a reason to skip.
set -euo pipefail

pom=$(dirname "$0")/../internal/blobstore/hdfstest/testdata/pom.xml

fail() {
  echo "hdfs: $1" >&2
  exit 1
}

install_package() {
  local packages="maven default-jre-headless" as_root=""
  command -v apt-get >/dev/null 2>&1 ||
    fail "there is no apt-get to install Maven with; have java and mvn in the path"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || fail "Maven is not installed; as root: apt-get install -y $packages"
    as_root="sudo -n"
  fi
  echo "hdfs: installing $packages" >&2
  # shellcheck disable=SC2086
  { $as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends $packages; } >&2 ||
    fail "the packages could not be installed; as root: apt-get install -y $packages"
}

[ $# -gt 0 ] || fail "give a command to run"
if ! command -v java >/dev/null 2>&1 || ! command -v mvn >/dev/null 2>&1; then
  install_package
fi
command -v java >/dev/null 2>&1 || fail "java is not there although the package is installed"
command -v mvn >/dev/null 2>&1 || fail "mvn is not there although the package is installed"

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo "hdfs: resolving Hadoop's jars" >&2
mvn -q -B -f "$pom" dependency:build-classpath -Dmdep.outputFile="$dir/classpath" >"$dir/log" 2>&1 || {
  cat "$dir/log" >&2
  fail "Maven could not resolve Hadoop's jars"
}
[ -s "$dir/classpath" ] || fail "Maven gave no class path"

PEGMIGRATE_TEST_HDFS_CLASSPATH=$(cat "$dir/classpath") "$@"
