#!/usr/bin/env bash
# Installs what building the extension for one Postgres takes, on Debian. Rust is not among it.
#   docker/build-deps.sh 17
set -euo pipefail

major=${1:?the major version of Postgres}
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --yes --quiet=2 --no-install-recommends \
  ca-certificates clang curl gcc libc6-dev libclang-dev make pkg-config "postgresql-server-dev-$major"
rm -rf /var/lib/apt/lists/*
