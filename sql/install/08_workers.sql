-- Months side by side, in background workers.
CREATE FUNCTION @extschema@.worker_run(statements text[], most integer) RETURNS integer
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'worker_run_wrapper';
COMMENT ON FUNCTION @extschema@.worker_run(text[], integer) IS
  'Has a background worker, as the session''s user, run queries that give one bigint each, every one in a transaction of its own, up to the first that gives not NULL. Takes one that is idle, or starts one if there are fewer than so many. Returns its number; NULL when none is to be had.';

CREATE FUNCTION @extschema@.worker_wait() RETURNS TABLE (worker integer, result bigint, failure text)
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'worker_wait_wrapper';
COMMENT ON FUNCTION @extschema@.worker_wait() IS
  'Waits until a background worker has done what it was to run, and passes its notices on meanwhile. No row when none has anything to do.';

CREATE FUNCTION @extschema@.workers_dismiss() RETURNS void
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'workers_dismiss_wrapper';
COMMENT ON FUNCTION @extschema@.workers_dismiss() IS 'Ends the session''s background workers, when they are done.';

-- Without SET search_path, which would pass for the session's own; operators have their exact types.
CREATE FUNCTION @extschema@.settings_sql(workers integer) RETURNS text
  LANGUAGE sql AS $$
  -- An array is never NULL.
  SELECT pg_catalog.format('SELECT CASE WHEN ARRAY[%s] IS NULL THEN 0::bigint END',
           pg_catalog.string_agg(pg_catalog.format('pg_catalog.set_config(%L, %L, false)', s.name, s.value), ', ' ORDER BY s.place))
    FROM (-- Back from the role of the order before, which may not set them all.
          SELECT 'role' AS name, 'none' AS value, 1 AS place
          UNION ALL
          SELECT x.name, x.setting, 2 FROM pg_catalog.pg_settings x
           WHERE x.source IN ('client', 'session')
             AND (x.context = 'user' OR x.context = 'superuser' AND pg_catalog.has_parameter_privilege(session_user, x.name, 'SET'))
             AND x.name NOT IN ('client_encoding', 'application_name', 'default_transaction_isolation', 'cur_fdw.threads')
             AND x.name NOT LIKE 'transaction\_%'
          UNION ALL
          -- What another worker has committed must be seen once it has let go of its locks.
          SELECT 'default_transaction_isolation', 'read committed', 2
          UNION ALL
          SELECT 'cur_fdw.threads', ((pg_catalog.current_setting('cur_fdw.threads')::integer + workers - 1) / workers)::text, 2
          UNION ALL
          SELECT 'role', current_user::text, 3 WHERE current_user <> session_user) s
$$;
COMMENT ON FUNCTION @extschema@.settings_sql(integer) IS
  'The query that gives a background worker the session''s settings and role, and its part of the threads.';

CREATE FUNCTION @extschema@.await_month(running jsonb, OUT still_running jsonb, OUT logged bigint)
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ended record;
BEGIN
  SELECT * INTO STRICT ended FROM @extschema@.worker_wait();
  logged := ended.result;
  IF ended.failure IS NOT NULL THEN
    SELECT @extschema@.log_failure(m.source_name, m.billing_period, m.fingerprint, m.manifest_id, m.files, m.bytes, ended.failure, m.started_at)
      INTO logged FROM @extschema@.manifests m WHERE m.id = (running ->> ended.worker::text)::bigint;
    IF NOT FOUND THEN
      RAISE WARNING 'a month of a source that was removed meanwhile failed: %', ended.failure;
    END IF;
  END IF;
  still_running := running - ended.worker::text;
END
$$;
COMMENT ON FUNCTION @extschema@.await_month(jsonb) IS
  'Waits for one of the months that are being loaded, given as the workers'' numbers with ids of the ledger. Returns the others, and the month''s id in sync_log.';

-- An invoker's procedure without SET, or it could not COMMIT.
CREATE PROCEDURE @extschema@.await_months(most integer, INOUT running jsonb, INOUT results bigint[])
  LANGUAGE plpgsql AS $$
DECLARE
  result bigint;
BEGIN
  WHILE (SELECT pg_catalog.count(*) FROM pg_catalog.jsonb_object_keys(running)) > most LOOP
    SELECT * INTO running, result FROM @extschema@.await_month(running);
    results := pg_catalog.array_append(results, result);
    COMMIT;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE @extschema@.await_months(integer, jsonb, bigint[]) IS
  'Waits until at most so many months are being loaded, and collects the ids in sync_log of those that are done.';
