-- The sync. An invoker's procedure without SET, or it could not COMMIT; names are qualified instead.
CREATE PROCEDURE @extschema@.cost_sync(
    source text DEFAULT NULL, months integer DEFAULT NULL, since text DEFAULT NULL, until text DEFAULT NULL,
    raw boolean DEFAULT NULL, normalized boolean DEFAULT true, dry_run boolean DEFAULT false,
    force boolean DEFAULT false, max_runtime interval DEFAULT NULL)
  LANGUAGE plpgsql AS $$
DECLARE
  started timestamptz := pg_catalog.clock_timestamp();
  month_started timestamptz;
  s @extschema@.sources;
  step record;
  done @extschema@.manifests;
  failure text;
  failures text[] := '{}';
  tried integer := 0;
  brought text;
BEGIN
  FOR step IN SELECT p.* FROM @extschema@.cost_plan(source, months, since, until, force, raw, normalized) p
               ORDER BY p.billing_period DESC NULLS FIRST, p.source_name LOOP
    CONTINUE WHEN step.action = 'skip';
    IF dry_run THEN
      RAISE NOTICE '% %: would % (% files, % bytes): %', step.source_name,
        pg_catalog.to_char(step.billing_period, 'YYYY-MM'), step.action, step.files, step.bytes, step.why;
      CONTINUE;
    END IF;
    IF pg_catalog.clock_timestamp() - started > max_runtime THEN
      RAISE NOTICE 'cost_sync: stopped after %, the next call goes on', max_runtime;
      EXIT;
    END IF;
    tried := tried + 1;
    month_started := pg_catalog.clock_timestamp();
    failure := NULL;
    done := NULL;
    SELECT * INTO s FROM @extschema@.sources x WHERE x.name = step.source_name;
    -- Removed meanwhile.
    CONTINUE WHEN NOT FOUND;
    BEGIN
      IF step.action = 'fail' THEN
        failure := step.why;
      ELSE
        -- A staged month was followed when it was loaded, and is swapped in without reading anything.
        brought := CASE WHEN step.action <> 'swap' THEN @extschema@.follow_columns(s, step.billing_period) END;
        IF brought IS NOT NULL THEN
          RAISE NOTICE '% %: columns changed (%), see cost_analytics.schema_changes', s.name,
            pg_catalog.to_char(step.billing_period, 'YYYY-MM'), brought;
        END IF;
        PERFORM @extschema@.note_month(s.name, step.billing_period, step.fingerprint, step.manifest_id, step.files, step.bytes, NULL);
      END IF;
    EXCEPTION WHEN OTHERS THEN
      failure := SQLERRM;
    END;
    -- Shows other sessions what is under way, and lets go of the foreign table.
    COMMIT;
    IF failure IS NULL THEN
      BEGIN
        done := @extschema@.sync_month(s, step.billing_period, step.fingerprint, coalesce(raw, s.raw), normalized, force);
      EXCEPTION WHEN OTHERS THEN
        failure := SQLERRM;
      END;
    END IF;
    IF failure IS NULL AND done.id IS NULL THEN
      COMMIT;
      CONTINUE;
    END IF;
    IF failure IS NULL THEN
      RAISE NOTICE '% %: % (% rows, % unblended, % s)', s.name, pg_catalog.to_char(step.billing_period, 'YYYY-MM'),
        CASE done.state::text WHEN 'staged' THEN 'staged, readers hold the raw table; the next cost_sync() swaps it in'
                        ELSE done.state::text END,
        done.rows, pg_catalog.round(done.unblended, 2),
        pg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() - month_started)::numeric, 1);
    ELSE
      failures := pg_catalog.array_append(failures,
        pg_catalog.concat_ws(' ', s.name, pg_catalog.to_char(step.billing_period, 'YYYY-MM') || ':', failure));
      PERFORM @extschema@.note_month(s.name, step.billing_period, step.fingerprint, step.manifest_id, step.files, step.bytes, failure);
    END IF;
    INSERT INTO @extschema@.sync_log
      (source_name, rows_loaded, status, error_message, duration_seconds, bytes, billing_period, manifest_id)
    VALUES (s.name, coalesce(done.rows, 0), CASE WHEN failure IS NULL THEN done.state::text ELSE 'failed' END, failure,
            extract(epoch FROM pg_catalog.clock_timestamp() - month_started), coalesce(done.bytes, step.bytes),
            step.billing_period, coalesce(done.manifest_id, step.manifest_id));
    COMMIT;
  END LOOP;
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
  IF pg_catalog.cardinality(failures) > 0 THEN
    RAISE EXCEPTION 'cost_sync: % of % months failed: %', pg_catalog.cardinality(failures), tried,
      pg_catalog.array_to_string(failures, '; ')
      USING ERRCODE = 'external_routine_exception',
            HINT = 'The other months are loaded. See cost_analytics.sync_log; the next cost_sync() tries the failed ones again.';
  END IF;
END
$$;
COMMENT ON PROCEDURE @extschema@.cost_sync(text, integer, text, text, boolean, boolean, boolean, boolean, interval) IS
  'Loads every new or restated month, newest first, one transaction a month. Ends with an error that names the months that failed.';
