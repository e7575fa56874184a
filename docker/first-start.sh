#!/usr/bin/env bash
# Turns the environment of the earlier sync tool into a server, its keys, sources and a nightly sync.
#
# The hook of the image's first start. It also runs by itself, against any server that PGHOST and the
# like name, as often as wanted: it changes only what differs from the environment. It needs a
# superuser, for the extension and to keep the keys out of the server's log.
#
#   S3_BUCKET              the bucket; without it only the extension is made
#   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN (optional), AWS_REGION
#   CUR_PATHS              comma-separated: path, path:raw_table, name=path or name=path:raw_table;
#                          what is no longer listed stays until cost_remove_source()
#   SYNC_SCHEDULE          cron's five fields, default 0 2 * * *; empty for no schedule
#   SYNC_MONTHS            how many months a sync looks at, default 2
#   RUN_ON_START           true: sync now as well
#   S3_ENDPOINT            the address of another S3 store than AWS's
#   POSTGRES_SCHEMA        the extension's schema is cost_analytics; another name becomes a schema of
#                          views of the same names
set -euo pipefail

fail() { printf 'cur_fdw: %s\n' "$*" >&2; exit 1; }

export PGUSER=${PGUSER:-${POSTGRES_USER:-postgres}}
export PGDATABASE=${PGDATABASE:-${POSTGRES_DB:-$PGUSER}}
export PGPASSWORD=${PGPASSWORD:-${POSTGRES_PASSWORD:-}}
export S3_BUCKET=${S3_BUCKET:-} S3_ENDPOINT=${S3_ENDPOINT:-} CUR_PATHS=${CUR_PATHS:-}
export AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID:-} AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-}
export AWS_SESSION_TOKEN=${AWS_SESSION_TOKEN:-} AWS_REGION=${AWS_REGION:-}
export SYNC_SCHEDULE=${SYNC_SCHEDULE-0 2 * * *} SYNC_MONTHS=${SYNC_MONTHS:-2}
export POSTGRES_SCHEMA=${POSTGRES_SCHEMA:-cost_analytics}

[[ $SYNC_MONTHS =~ ^[1-9][0-9]{0,3}$ ]] || fail "SYNC_MONTHS is \"$SYNC_MONTHS\", not a number of months"
case ${RUN_ON_START:-false} in
  true | TRUE | True | yes | on | 1) run_on_start=true ;;
  false | FALSE | False | no | off | 0) run_on_start=false ;;
  *) fail "RUN_ON_START is \"$RUN_ON_START\", neither true nor false" ;;
esac
if [ -n "$S3_BUCKET" ]; then
  for name in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY CUR_PATHS; do
    [ -n "${!name}" ] || fail "S3_BUCKET is set, but $name is not"
  done
fi

# psql takes every value from its environment, where other users do not see it as they would among its
# arguments, and quotes it. The shell writes no SQL.
psql=(psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 --set=SHOW_CONTEXT=never)

"${psql[@]}" <<'SQL'
SELECT pg_catalog.set_config('search_path', 'pg_catalog', false) \g /dev/null
SET client_min_messages = warning;
SELECT NOT rolsuper AS ordinary FROM pg_roles WHERE rolname = current_user \gset
\if :ordinary
  DO $$ BEGIN
    RAISE EXCEPTION 'role "%" is no superuser', current_user
      USING HINT = 'Run this as the role that may create the extension; on Supabase PGUSER=supabase_admin.';
  END $$;
\endif
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'cur_fdw') AS installed \gset
\if :installed
  -- A newer image brings a newer extension.
  SELECT 'ALTER EXTENSION cur_fdw UPDATE'
    FROM pg_available_extensions
   WHERE name = 'cur_fdw' AND default_version <> installed_version \gexec
\else
  CREATE EXTENSION cur_fdw;
\endif
SQL

if [ -z "$S3_BUCKET" ]; then
  echo 'cur_fdw: S3_BUCKET is not set, so there is no server yet: CREATE SERVER … FOREIGN DATA WRAPPER cur_fdw.'
  exit
fi

"${psql[@]}" <<'SQL'
-- The statements below hold keys. They must get into no log, and into no statistics of statements.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
SET log_min_duration_sample = -1;
SET log_transaction_sample_rate = 0;
SELECT pg_catalog.set_config(name, 'none', false)
  FROM (VALUES ('pg_stat_statements.track'), ('pgaudit.log')) AS keeper (name) \g /dev/null
SELECT pg_catalog.set_config('search_path', 'pg_catalog', false) \g /dev/null
SET client_min_messages = warning;

\getenv bucket S3_BUCKET
\getenv endpoint S3_ENDPOINT
\getenv region AWS_REGION
\getenv access_key AWS_ACCESS_KEY_ID
\getenv secret_key AWS_SECRET_ACCESS_KEY
\getenv session_token AWS_SESSION_TOKEN

-- What ALTER … OPTIONS has to say for the options to be as wanted; NULL when they are.
CREATE FUNCTION pg_temp.changes(present text[], wanted jsonb) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(CASE WHEN w.value IS NULL THEN format('DROP %I', w.key)
                         WHEN p.option_name IS NULL THEN format('ADD %I %L', w.key, w.value)
                         ELSE format('SET %I %L', w.key, w.value) END, ', ')
    FROM jsonb_each_text(wanted) w
    LEFT JOIN pg_options_to_table(present) p ON p.option_name = w.key
   WHERE p.option_value IS DISTINCT FROM w.value
$$;

SELECT format('CREATE SERVER billing FOREIGN DATA WRAPPER cur_fdw OPTIONS (url %L)', 's3://' || :'bucket')
 WHERE NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'billing') \gexec
SELECT format('ALTER SERVER billing OPTIONS (%s)', changes)
  FROM pg_foreign_server,
       pg_temp.changes(srvoptions, jsonb_build_object(
         'url', 's3://' || :'bucket',
         'region', nullif(:'region', ''),
         'endpoint', nullif(:'endpoint', ''),
         'allow_http', CASE WHEN :'endpoint' LIKE 'http://%' THEN 'true' END)) AS changes
 WHERE srvname = 'billing' AND changes IS NOT NULL \gexec

-- For users who are no superusers; those need no entry.
SELECT format('ALTER DATABASE %I SET cur_fdw.allowed_endpoints = %L', current_database(),
              concat_ws(',', nullif(listed, ''), wanted))
  FROM rtrim(:'endpoint', '/') AS wanted,
       coalesce(current_setting('cur_fdw.allowed_endpoints', true), '') AS listed
 WHERE wanted <> '' AND NOT wanted = ANY (string_to_array(replace(listed, ' ', ''), ',')) \gexec

-- Terse, for a message with the failed line would show the key.
\set VERBOSITY terse
CREATE USER MAPPING IF NOT EXISTS FOR CURRENT_USER SERVER billing;
SELECT format('ALTER USER MAPPING FOR CURRENT_USER SERVER billing OPTIONS (%s)', changes)
  FROM pg_user_mappings,
       pg_temp.changes(umoptions, jsonb_build_object(
         'access_key_id', :'access_key',
         'secret_access_key', :'secret_key',
         'session_token', nullif(:'session_token', ''))) AS changes
 WHERE srvname = 'billing' AND usename = current_user AND changes IS NOT NULL \gexec
SQL

"${psql[@]}" <<'SQL'
SELECT pg_catalog.set_config('search_path', 'pg_catalog', false) \g /dev/null
SET client_min_messages = warning;
\getenv paths CUR_PATHS
\getenv schema POSTGRES_SCHEMA

CREATE TEMP TABLE wanted AS
SELECT coalesce(name, substring(raw_table, '^raw_(.+)$'),
                -- The last folder is the report's name.
                left(regexp_replace(btrim(regexp_replace(lower(substring(path, '([^/]+)/*$')), '[^a-z0-9]+', '_', 'g'), '_'),
                                    '^(?![a-z])', 's_'), 40)) AS name,
       path, raw_table, position
  FROM regexp_split_to_table(:'paths', '\s*,\s*') WITH ORDINALITY AS listed (item, position),
       btrim(item, E' \t\r\n') AS entry,
       -- A folder may itself be called key=value; a name is one word before the first folder.
       substring(entry, '^([a-z][a-z0-9_]*)=') AS name,
       substring(entry, ':([A-Za-z_][A-Za-z0-9_]*)$') AS raw_table,
       regexp_replace(regexp_replace(entry, '^[a-z][a-z0-9_]*=', ''), ':[A-Za-z_][A-Za-z0-9_]*$', '') AS path
 WHERE entry <> '';

DO $$
DECLARE
  twice text;
BEGIN
  SELECT string_agg(path, ', ') INTO twice FROM pg_temp.wanted GROUP BY name HAVING count(*) > 1 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'CUR_PATHS gives the same name to %', twice
      USING HINT = 'Name them yourself: CUR_PATHS=first=path/one,second=path/two.';
  END IF;
END
$$;

-- One that is there already is left alone, without a look at the bucket: a start must not depend on it.
SELECT format('SELECT %L || cost_analytics.cost_add_source(%L, server => %L, prefix => %L, raw_table => %L)',
              'cur_fdw: added source ', name, 'billing', path, raw_table)
  FROM pg_temp.wanted w
 WHERE NOT EXISTS (SELECT FROM cost_analytics.sources s WHERE s.name = w.name)
 ORDER BY position \gexec

-- The names that dashboards of the earlier tool have, in the schema they have them in.
SELECT :'schema' <> 'cost_analytics' AS elsewhere \gset
\if :elsewhere
  CREATE SCHEMA IF NOT EXISTS :"schema";
  GRANT USAGE ON SCHEMA :"schema" TO cost_reader;
  SELECT statement
    FROM (SELECT 'costs' UNION ALL SELECT name || '_normalized' FROM cost_analytics.sources) AS views (name),
         LATERAL (VALUES (format('CREATE OR REPLACE VIEW %I.%I WITH (security_invoker = true) AS SELECT * FROM cost_analytics.%2$I', :'schema', name)),
                         (format('GRANT SELECT ON %I.%I TO cost_reader', :'schema', name))) AS statements (statement) \gexec
\endif
SQL

"${psql[@]}" <<'SQL'
SELECT pg_catalog.set_config('search_path', 'pg_catalog', false) \g /dev/null
SET client_min_messages = warning;
\getenv schedule SYNC_SCHEDULE
\getenv months SYNC_MONTHS
SELECT btrim(:'schedule') <> '' AS scheduled,
       NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_cron') AS unavailable,
       current_setting('cron.database_name', true) IS NULL AS not_loaded,
       EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') AS installed \gset
\if :scheduled
  \if :unavailable
    DO $$ BEGIN
      RAISE EXCEPTION 'SYNC_SCHEDULE needs the extension pg_cron, which this server does not have'
        USING HINT = 'Install pg_cron, or set SYNC_SCHEDULE to nothing and let another scheduler CALL cost_analytics.cost_sync().';
    END $$;
  \endif
  \if :not_loaded
    DO $$ BEGIN
      RAISE EXCEPTION 'SYNC_SCHEDULE needs pg_cron, which is not in shared_preload_libraries'
        USING HINT = 'Add it there, set cron.database_name to this database and restart Postgres; or set SYNC_SCHEDULE to nothing.';
    END $$;
  \endif
  -- In any other database than cron.database_name it says so itself.
  CREATE EXTENSION IF NOT EXISTS pg_cron;
  SELECT format('CALL cost_analytics.cost_sync(months => %s)', :'months'::int) AS command \gset
  -- Unchanged it is left alone. Of a changed one the new schedule counts, under the same name.
  SELECT 'cur_fdw: scheduled cost_sync, job ' || cron.schedule('cost-sync', btrim(:'schedule'), :'command')
   WHERE NOT EXISTS (SELECT FROM cron.job
                      WHERE jobname = 'cost-sync' AND username = current_user
                        AND schedule = btrim(:'schedule') AND command = :'command');
\else
  \echo 'cur_fdw: SYNC_SCHEDULE is empty, nothing is scheduled.'
  \if :installed
    SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname = 'cost-sync' AND username = current_user \g /dev/null
  \endif
\endif
SQL

if $run_on_start; then
  "${psql[@]}" <<'SQL' || echo 'cur_fdw: the sync at start failed, see above; cost_analytics.sync_log has what was loaded.' >&2
\getenv months SYNC_MONTHS
SET statement_timeout = 0;
CALL cost_analytics.cost_sync(months => :'months');
SQL
fi
