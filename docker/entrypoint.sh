#!/usr/bin/env bash
# Starts Postgres with pg_cron and keeps it in step with the container's environment.
set -euo pipefail

if [ "${1:-postgres}" != postgres ]; then
  exec docker-entrypoint.sh "$@"
fi

# The image's hooks run on an empty volume only. A changed key or schedule, or a first start that
# failed, must not wait for another: so every start applies the environment, once the real server is
# up (the temporary one of the hooks does not listen on TCP). It ends well in any case: Postgres is
# to be its parent, and takes a child that failed for a crash of its own.
apply() {
  until pg_isready --quiet --host 127.0.0.1 --username "${POSTGRES_USER:-postgres}"; do sleep 1; done
  first-start.sh ||
    echo 'cur_fdw: the environment is not applied, see the error above. Postgres is up; correct the environment and restart.' >&2
}
apply &

# Only now is a sync at start due, not in the hook, where nobody can connect until it is done.
export RUN_ON_START=false

# pg_cron works in one database, and both settings are read at server start. Settings after these win.
exec docker-entrypoint.sh postgres \
  -c shared_preload_libraries=pg_cron \
  -c cron.database_name="${POSTGRES_DB:-${POSTGRES_USER:-postgres}}" \
  "${@:2}"
