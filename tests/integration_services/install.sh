#!/usr/bin/env bash
# Installs the servers that `make test-integration` starts, by apt on Debian and Ubuntu. Does nothing if they are there.
# No server is left running and no cluster is made: the tests start their own, on loopback, in temporary folders.
set -euo pipefail

if command -v pg_ctl >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/pg_ctl' >/dev/null; then
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "PostgreSQL is missing: run this script as root, or install the package postgresql" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends postgresql-common
mkdir -p /etc/postgresql-common/createcluster.d
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/nightmill.conf
apt-get install -y -qq --no-install-recommends postgresql
