#!/usr/bin/env bash
# Sees to RocksDB's own tools, which tests compare with: ldb and sst_dump of Debian's package rocksdb-tools. It is
# installed when they are not there. What is missing is an error, never a reason to skip.
set -euo pipefail

fail() {
  echo "rocksdb-tools: $1" >&2
  exit 1
}

present() { command -v ldb >/dev/null 2>&1 && command -v sst_dump >/dev/null 2>&1; }

if present; then exit 0; fi
command -v apt-get >/dev/null 2>&1 ||
  fail "there is no apt-get to install them with; have ldb and sst_dump in the path, as Debian's package rocksdb-tools does"
install="apt-get install -y --no-install-recommends rocksdb-tools"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null 2>&1 || fail "ldb and sst_dump are not installed; as root: $install"
  as_root="sudo -n"
fi
echo "rocksdb-tools: installing RocksDB's ldb and sst_dump" >&2
{ $as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive $as_root $install; } >/dev/null ||
  fail "the package could not be installed; as root: $install"
present || fail "ldb and sst_dump are not there although the package is installed"
