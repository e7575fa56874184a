-- The sync. An invoker's procedure without SET, or it could not COMMIT; names are qualified instead.
CREATE PROCEDURE @extschema@.cost_sync(
    source text DEFAULT NULL, months integer DEFAULT NULL, since text DEFAULT NULL, until text DEFAULT NULL,
    raw boolean DEFAULT NULL, normalized boolean DEFAULT true, dry_run boolean DEFAULT false,
    force boolean DEFAULT false, max_runtime interval DEFAULT NULL)
  LANGUAGE plpgsql AS $$
DECLARE
  started timestamptz := pg_catalog.clock_timestamp();
  step record;
  s @extschema@.sources;
  ledger bigint;
  -- What became of the months: ids in sync_log.
  result bigint;
  results bigint[] := '{}';
  tried integer := 0;
  workers integer;
  worker integer;
  -- Numbers of workers, with the ids in the ledger of what they load.
  running jsonb := '{}';
  alone boolean;
  stopped boolean;
  failed integer;
  failures text;
BEGIN
  FOR step IN SELECT p.*, pg_catalog.count(*) FILTER (WHERE p.action NOT IN ('skip', 'fail')) OVER () AS due
                FROM @extschema@.cost_plan(source, months, since, until, force, raw, normalized) p
               ORDER BY p.billing_period DESC NULLS FIRST, p.source_name LOOP
    CONTINUE WHEN step.action = 'skip';
    IF dry_run THEN
      RAISE NOTICE '% %: would % (% files, % bytes): %', step.source_name,
        pg_catalog.to_char(step.billing_period, 'YYYY-MM'), step.action, step.files, step.bytes, step.why;
      CONTINUE;
    END IF;
    workers := coalesce(workers, GREATEST(LEAST(pg_catalog.current_setting('cur_fdw.sync_workers')::integer, step.due), 1));
    alone := false;
    LOOP
      CALL @extschema@.await_months(CASE WHEN alone THEN 0 ELSE workers - 1 END, running, results);
      stopped := pg_catalog.clock_timestamp() - started > max_runtime;
      EXIT WHEN stopped;
      BEGIN
        SELECT * INTO ledger, result FROM @extschema@.prepare_month(step, alone => running = '{}');
        EXIT;
      EXCEPTION WHEN SQLSTATE 'CF002' THEN
        alone := true;
      END;
    END LOOP;
    IF stopped THEN
      RAISE NOTICE 'cost_sync: stopped after %, the next call goes on', max_runtime;
      EXIT;
    END IF;
    tried := tried + 1;
    -- Shows other sessions what is under way, and lets go of the foreign table.
    COMMIT;
    IF ledger IS NULL THEN
      results := pg_catalog.array_append(results, result);
      CONTINUE;
    END IF;
    IF workers > 1 THEN
      worker := @extschema@.worker_run(ARRAY[@extschema@.settings_sql(workers),
        pg_catalog.format('SELECT @extschema@.take_month(%L, %L, %L, %L)', ledger, raw, normalized, force)], workers);
      IF worker IS NOT NULL THEN
        running := running || pg_catalog.jsonb_build_object(worker, ledger);
        COMMIT;
        CONTINUE;
      END IF;
      -- Nobody would hear the others while this session loads.
      CALL @extschema@.await_months(0, running, results);
      RAISE NOTICE 'cost_sync: no background worker is to be had, so this session loads the months itself'
        USING HINT = 'The server''s log says why; max_worker_processes limits them.';
      workers := 1;
    END IF;
    results := pg_catalog.array_append(results, @extschema@.take_month(ledger, raw, normalized, force));
    COMMIT;
  END LOOP;
  CALL @extschema@.await_months(0, running, results);
  PERFORM @extschema@.workers_dismiss();
  FOR step IN SELECT * FROM @extschema@.months_to_drop(source) LOOP
    IF dry_run THEN
      RAISE NOTICE '% %: would drop, older than the months to keep', step.source_name, pg_catalog.to_char(step.billing_period, 'YYYY-MM');
      CONTINUE;
    END IF;
    EXIT WHEN pg_catalog.clock_timestamp() - started > max_runtime;
    SELECT * INTO s FROM @extschema@.sources x WHERE x.name = step.source_name;
    CONTINUE WHEN NOT FOUND;
    RAISE NOTICE '% %: %', s.name, pg_catalog.to_char(step.billing_period, 'YYYY-MM'),
      CASE WHEN @extschema@.drop_month(s, step.billing_period) THEN 'dropped, older than the months to keep'
           ELSE 'to be dropped, but readers hold the raw table; the next cost_sync() tries again' END;
    COMMIT;
  END LOOP;
  SELECT pg_catalog.count(*), pg_catalog.string_agg(pg_catalog.concat_ws(' ', l.source_name, pg_catalog.to_char(l.billing_period, 'YYYY-MM') || ':', l.error_message),
                                                    '; ' ORDER BY l.billing_period DESC NULLS FIRST, l.source_name)
    INTO failed, failures FROM @extschema@.sync_log l WHERE l.id = ANY (results) AND l.status = 'failed';
  IF failed > 0 THEN
    RAISE EXCEPTION 'cost_sync: % of % months failed: %', failed, tried, failures
      USING ERRCODE = 'external_routine_exception',
            HINT = 'The other months are loaded. See cost_analytics.sync_log; the next cost_sync() tries the failed ones again.';
  END IF;
END
$$;
COMMENT ON PROCEDURE @extschema@.cost_sync(text, integer, text, text, boolean, boolean, boolean, boolean, interval) IS
  'Loads every new or restated month, newest first, one transaction a month, cur_fdw.sync_workers months side by side. Ends with an error that names the months that failed.';
