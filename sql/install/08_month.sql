-- One month, in one transaction.
CREATE FUNCTION @extschema@.month_table(source @extschema@.sources, month date, suffix text DEFAULT '') RETURNS text
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT source.raw_table || pg_catalog.to_char(month, '_YYYY_MM') || suffix
$$;
COMMENT ON FUNCTION @extschema@.month_table(@extschema@.sources, date, text) IS 'The name of a month''s partition.';

-- Only what stage_month() made: DROP TABLE IF EXISTS would take any table of that name, and send a
-- NOTICE where there is none.
CREATE FUNCTION @extschema@.drop_staged_table(name text) RETURNS void
  LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  staged regclass := to_regclass(format('@extschema@.%I', name));
BEGIN
  IF staged IS NULL THEN
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = staged AND c.relkind = 'r' AND NOT c.relispartition)
     OR NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = staged AND k.conname = 'month') THEN
    RAISE EXCEPTION 'table "%" stands where a month is to be staged', name
      USING ERRCODE = 'duplicate_table', HINT = 'Rename it.';
  END IF;
  EXECUTE format('DROP TABLE %s', staged);
END
$$;
COMMENT ON FUNCTION @extschema@.drop_staged_table(text) IS 'Drops a table that waits to be swapped in, if it is there.';

CREATE FUNCTION @extschema@.month_condition(relation regclass, month date) RETURNS text
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('billing_period IS NOT NULL AND billing_period = %L', month)
         || coalesce(string_agg(format(' AND %I = %L', p.name, p.value), '' ORDER BY a.attnum), '')
    FROM (VALUES ('year', to_char(month, 'FMYYYY')), ('month', to_char(month, 'FMMM'))) AS p(name, value)
    -- A column of the file that happens to have such a name says so.
    JOIN pg_attribute a ON a.attrelid = relation AND a.attname = p.name AND a.atttypid IN ('text'::regtype, 'varchar'::regtype)
     AND NOT a.attisdropped AND coalesce(array_to_string(a.attfdwoptions, ' ') NOT LIKE '%column_name=%', true)
$$;
COMMENT ON FUNCTION @extschema@.month_condition(regclass, date) IS
  'What every row of a month fulfils in a foreign table: the columns that come from the path have the month''s values.';

-- What the raw table's owner has added to it must hold for rows that do not pass through it.
CREATE FUNCTION @extschema@.follow_raw_table(leaf regclass, parent regclass) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  of_parent text := (SELECT format('@extschema@.%I', c.relname) FROM pg_class c WHERE c.oid = parent);
  of_leaf text := (SELECT format('@extschema@.%I', c.relname) FROM pg_class c WHERE c.oid = leaf);
  step text;
BEGIN
  FOR step IN
    SELECT format('ALTER TABLE %s ADD COLUMN %I %s GENERATED ALWAYS AS (%s) %s', leaf, a.attname,
                  format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid),
                  CASE a.attgenerated::text WHEN 'v' THEN 'VIRTUAL' ELSE 'STORED' END)
      FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = parent AND a.attgenerated <> '' AND NOT a.attisdropped
    UNION ALL
    -- Of each row (1) inserted (4).
    SELECT replace(pg_get_triggerdef(t.oid), format(' ON %s ', of_parent), format(' ON %s ', of_leaf))
      FROM pg_trigger t
     WHERE t.tgrelid = parent AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 5 = 5 LOOP
    EXECUTE step;
  END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.follow_raw_table(regclass, regclass) IS
  'Gives a table that is to become a partition the generated columns and the triggers on inserted rows of the raw table.';

CREATE FUNCTION @extschema@.is_plain(relation regclass) RETURNS boolean
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'is_plain_wrapper';
COMMENT ON FUNCTION @extschema@.is_plain(regclass) IS 'Whether load_month() can fill a table: one without triggers, rules, indexes and stored generated columns, stored as a heap.';

CREATE FUNCTION @extschema@.lock_month(source @extschema@.sources, month date) RETURNS boolean
  LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  SELECT pg_try_advisory_xact_lock(hashtextextended('cur_fdw ' || source.name || to_char(month, ' YYYY-MM'), 0))
$$;
COMMENT ON FUNCTION @extschema@.lock_month(@extschema@.sources, date) IS 'Keeps other sessions from loading or dropping a month until the end of the transaction. False when one does so already.';

CREATE FUNCTION @extschema@.lock_publishing(source @extschema@.sources) RETURNS void
  -- No reader waits behind it, and a loaded month is not to be thrown away.
  LANGUAGE sql SET search_path = pg_catalog, pg_temp SET lock_timeout = 0 AS $$
  SELECT pg_advisory_xact_lock(hashtextextended('cur_fdw publishes ' || source.name, 0))
$$;
COMMENT ON FUNCTION @extschema@.lock_publishing(@extschema@.sources) IS
  'Waits for other sessions that put a month of the source in its place, until the end of the transaction: at the raw table their waiting would hold off readers, at dim_resource it could be a deadlock.';

-- A sample of 6,000 rows: every value of a wide row is found by walking over those before it, and with
-- Postgres's usual 30,000 a third of the load is spent here.
CREATE FUNCTION @extschema@.analyze_month(leaf regclass) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET default_statistics_target = 20 AS $$
BEGIN
  EXECUTE format('ANALYZE %s', leaf);
END
$$;
COMMENT ON FUNCTION @extschema@.analyze_month(regclass) IS 'ANALYZE with a sample that a table of 178 columns can afford.';

CREATE FUNCTION @extschema@.note_staged(source @extschema@.sources, month date, delivery record, staged_table text)
  RETURNS @extschema@.manifests LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  staged @extschema@.manifests;
BEGIN
  UPDATE @extschema@.manifests m
     SET state = 'superseded', staged_table = NULL
   WHERE m.source_name = source.name AND m.billing_period = month AND m.state = 'staged'
     AND m.fingerprint <> delivery.fingerprint;
  INSERT INTO @extschema@.manifests AS m
    (source_name, billing_period, fingerprint, manifest_id, state, files, bytes, rows, unblended, filters, staged_table, started_at)
  VALUES (source.name, month, delivery.fingerprint, delivery.manifest_id, 'staged', delivery.files, delivery.bytes,
          delivery.rows, delivery.unblended, source.filters, staged_table, now())
  ON CONFLICT (source_name, billing_period, fingerprint) DO UPDATE
    SET manifest_id = EXCLUDED.manifest_id, state = 'staged', files = EXCLUDED.files, bytes = EXCLUDED.bytes,
        rows = EXCLUDED.rows, unblended = EXCLUDED.unblended, filters = EXCLUDED.filters, staged_table = EXCLUDED.staged_table, error = NULL, in_raw = false,
        -- What costs_daily has was chosen by other filters.
        in_costs = m.in_costs AND m.filters IS NOT DISTINCT FROM EXCLUDED.filters, started_at = EXCLUDED.started_at
  RETURNING * INTO staged;
  RETURN staged;
END
$$;
COMMENT ON FUNCTION @extschema@.note_staged(@extschema@.sources, date, record, text) IS
  'Writes into the ledger what was read of a delivery that is not in the tables yet.';

CREATE FUNCTION @extschema@.stage_month(source @extschema@.sources, month date) RETURNS @extschema@.manifests
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  leaf text := @extschema@.month_table(source, month, '_new');
  ft regclass := pg_catalog.format('@extschema@.%I', source.foreign_table)::regclass;
  staged regclass;
  plain boolean;
  result record;
BEGIN
  PERFORM @extschema@.check_types(source);
  PERFORM @extschema@.drop_staged_table(leaf);
  EXECUTE pg_catalog.format(
    'CREATE TABLE @extschema@.%I (LIKE @extschema@.%I, sync_timestamp timestamptz NOT NULL, '
    'CONSTRAINT month CHECK (%s))',
    leaf, source.foreign_table, @extschema@.month_condition(ft, month));
  EXECUTE pg_catalog.format('ALTER TABLE @extschema@.%I OWNER TO cost_admin', leaf);
  staged := format('@extschema@.%I', leaf)::regclass;
  PERFORM @extschema@.follow_raw_table(staged, format('@extschema@.%I', source.raw_table)::regclass);
  plain := @extschema@.is_plain(staged);
  IF NOT plain THEN
    RAISE NOTICE '% %: loaded row by row, for "%" has triggers, generated columns or an access method of its own',
      source.name, to_char(month, 'YYYY-MM'), source.raw_table;
  END IF;
  IF plain AND source.filters IS NULL THEN
    SELECT * INTO STRICT result FROM @extschema@.load_month(ft, month, staged);
  ELSE
    SELECT * INTO STRICT result FROM @extschema@.load_filtered_month(ft, month, staged, source.filters);
  END IF;
  PERFORM @extschema@.analyze_month(staged);
  RETURN @extschema@.note_staged(source, month, result, leaf);
END
$$;
COMMENT ON FUNCTION @extschema@.stage_month(@extschema@.sources, date) IS
  'Loads a month into a table of its own that readers do not see yet.';

CREATE FUNCTION @extschema@.measure_month(source @extschema@.sources, month date) RETURNS @extschema@.manifests
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ft regclass := format('@extschema@.%I', source.foreign_table)::regclass;
  result record;
BEGIN
  PERFORM @extschema@.drop_staged_table(@extschema@.month_table(source, month, '_new'));
  SELECT * INTO STRICT result FROM @extschema@.totals_of_month(ft, month, source.filters);
  RETURN @extschema@.note_staged(source, month, result, NULL);
END
$$;
COMMENT ON FUNCTION @extschema@.measure_month(@extschema@.sources, date) IS
  'Reads what a month comes to, for a source that keeps no original rows: its costs are then rolled up straight from the files.';

CREATE FUNCTION @extschema@.drop_partition(parent regclass, leaf text) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  partition regclass;
BEGIN
  SELECT c.oid INTO partition FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
   WHERE i.inhparent = parent AND c.relname = leaf;
  IF FOUND THEN
    EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', parent, partition);
    EXECUTE format('DROP TABLE %s', partition);
  END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.drop_partition(regclass, text) IS 'Detaches and drops a month''s partition, if the raw table has it.';

CREATE FUNCTION @extschema@.swap_month(source @extschema@.sources, month date, staged_table text, keep boolean) RETURNS boolean
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  leaf text := @extschema@.month_table(source, month);
  patience text := coalesce(pg_catalog.current_setting('cur_fdw.swap_lock_timeout', true), '2s');
  previous text := pg_catalog.current_setting('lock_timeout');
  parent regclass := pg_catalog.format('@extschema@.%I', source.raw_table)::regclass;
  ft regclass := pg_catalog.format('@extschema@.%I', source.foreign_table)::regclass;
  added record;
BEGIN
  -- Readers of other months need not wait where nothing is to go.
  IF NOT keep AND staged_table IS NULL AND to_regclass(format('@extschema@.%I', leaf)) IS NULL THEN
    RETURN true;
  END IF;
  BEGIN
    PERFORM @extschema@.lock_publishing(source);
    PERFORM pg_catalog.set_config('lock_timeout', patience, true);
    EXECUTE pg_catalog.format('LOCK TABLE @extschema@.%I IN ACCESS EXCLUSIVE MODE', source.raw_table);
    IF NOT keep THEN
      PERFORM @extschema@.drop_partition(parent, leaf);
      PERFORM @extschema@.drop_staged_table(staged_table);
      PERFORM set_config('lock_timeout', previous, true);
      RETURN true;
    END IF;
    FOR added IN
      SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) AS data_type FROM pg_catalog.pg_attribute a
       WHERE a.attrelid = pg_catalog.format('@extschema@.%I', staged_table)::regclass AND a.attnum > 0 AND NOT a.attisdropped
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute p
                          WHERE p.attrelid = parent AND p.attname = a.attname AND NOT p.attisdropped)
       ORDER BY a.attnum LOOP
      EXECUTE pg_catalog.format('ALTER TABLE %s ADD COLUMN %I %s', parent, added.attname, added.data_type);
    END LOOP;
    FOR added IN
      SELECT p.attname, pg_catalog.format_type(p.atttypid, p.atttypmod) AS data_type FROM pg_catalog.pg_attribute p
       WHERE p.attrelid = parent AND p.attnum > 0 AND NOT p.attisdropped
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                          WHERE a.attrelid = pg_catalog.format('@extschema@.%I', staged_table)::regclass
                            AND a.attname = p.attname AND NOT a.attisdropped)
       ORDER BY p.attnum LOOP
      EXECUTE pg_catalog.format('ALTER TABLE @extschema@.%I ADD COLUMN %I %s', staged_table, added.attname, added.data_type);
    END LOOP;
    PERFORM @extschema@.drop_partition(parent, leaf);
    IF to_regclass(format('@extschema@.%I', leaf)) IS NOT NULL THEN
      RAISE EXCEPTION 'table "%" stands where the month''s partition is to be', leaf
        USING ERRCODE = 'duplicate_table', HINT = 'It belongs to no source. Rename it.';
    END IF;
    -- After the old partition is gone, for it would be rewritten, too.
    PERFORM @extschema@.widen_like(parent, ft);
    PERFORM @extschema@.widen_like(pg_catalog.format('@extschema@.%I', staged_table)::regclass, parent);
    -- The partition gets them from the raw table.
    FOR added IN SELECT t.tgname FROM pg_trigger t
                  WHERE t.tgrelid = format('@extschema@.%I', staged_table)::regclass AND NOT t.tgisinternal LOOP
      EXECUTE format('DROP TRIGGER %I ON @extschema@.%I', added.tgname, staged_table);
    END LOOP;
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.%I RENAME TO %I', staged_table, leaf);
    EXECUTE pg_catalog.format('ALTER TABLE %s ATTACH PARTITION @extschema@.%I FOR VALUES IN (%L)', parent, leaf, month);
  EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
    PERFORM pg_catalog.set_config('lock_timeout', previous, true);
    RETURN false;
  END;
  PERFORM pg_catalog.set_config('lock_timeout', previous, true);
  RETURN true;
END
$$;
COMMENT ON FUNCTION @extschema@.swap_month(@extschema@.sources, date, text, boolean) IS
  'Puts a staged table in the place of the month''s partition, or with keep => false drops both. False when readers did not let go of the raw table within cur_fdw.swap_lock_timeout.';

CREATE FUNCTION @extschema@.roll_up_month(source @extschema@.sources, month date, relation regclass, condition text, expected numeric) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM @extschema@.replace_month('costs_daily', source.name, month,
    @extschema@.normalization_sql(relation, source.format, condition), expected);
  PERFORM @extschema@.replace_facts(source, month, relation, condition, expected);
  UPDATE @extschema@.manifests m
     SET amortized = i.amortized_cost, identity_difference = i.difference, in_facts = source.facts
    FROM (SELECT sum(x.amortized_cost) AS amortized_cost, sum(x.difference) AS difference
            FROM @extschema@.cost_identity x WHERE x.source_name = source.name AND x.billing_period = month) i
   WHERE m.source_name = source.name AND m.billing_period = month AND m.state = 'staged';
END
$$;
COMMENT ON FUNCTION @extschema@.roll_up_month(@extschema@.sources, date, regclass, text, numeric) IS
  'Replaces a month in costs_daily, and in fact_usage where the source keeps it. Refuses a total that differs from the one read from the files.';

CREATE FUNCTION @extschema@.sync_month(source @extschema@.sources, month date, fingerprint text, raw boolean, normalized boolean, force boolean)
  RETURNS @extschema@.manifests LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ledger @extschema@.manifests;
  ft regclass := format('@extschema@.%I', source.foreign_table)::regclass;
  fresh boolean;
BEGIN
  IF NOT @extschema@.lock_month(source, month) THEN
    RAISE NOTICE '% %: another session is loading it', source.name, pg_catalog.to_char(month, 'YYYY-MM');
    RETURN NULL;
  END IF;
  IF NOT force AND EXISTS (
      SELECT FROM @extschema@.manifests m
       WHERE m.source_name = source.name AND m.billing_period = month AND m.state = 'loaded'
         AND m.fingerprint = sync_month.fingerprint AND m.filters IS NOT DISTINCT FROM source.filters
         AND (m.in_costs OR NOT normalized) AND (m.in_raw OR NOT sync_month.raw)) THEN
    RETURN NULL;
  END IF;
  SELECT * INTO ledger FROM @extschema@.manifests m
   WHERE m.source_name = source.name AND m.billing_period = month AND m.state = 'staged'
     AND m.fingerprint = sync_month.fingerprint AND m.filters IS NOT DISTINCT FROM source.filters;
  fresh := NOT FOUND OR force OR to_regclass('@extschema@.' || quote_ident(ledger.staged_table)) IS NULL;
  IF fresh THEN
    IF sync_month.raw THEN
      ledger := @extschema@.stage_month(source, month);
    ELSE
      ledger := @extschema@.measure_month(source, month);
    END IF;
    IF ledger.fingerprint <> sync_month.fingerprint THEN
      RAISE EXCEPTION 'a new delivery of source "%", % arrived meanwhile', source.name, to_char(month, 'YYYY-MM')
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The next cost_sync() loads it.';
    END IF;
  END IF;
  BEGIN
    -- First, because the swap holds off the raw table's readers until the end of the transaction.
    IF normalized THEN
      PERFORM @extschema@.note_restatement(ledger, replaced => false);
      -- The engine groups what it reads many times faster than Postgres what was stored. A month that
      -- was staged earlier is not read again.
      IF fresh THEN
        PERFORM @extschema@.roll_up_month(source, month, ft,
          format('billing_period = %L AND %s', month, @extschema@.filter_sql(source.filters, ft)), ledger.unblended);
        PERFORM @extschema@.check_delivery(ft, month, fingerprint);
      ELSE
        PERFORM @extschema@.roll_up_month(source, month, format('@extschema@.%I', ledger.staged_table)::regclass, NULL, ledger.unblended);
      END IF;
      PERFORM @extschema@.note_restatement(ledger, replaced => true);
    END IF;
    IF NOT @extschema@.swap_month(source, month, ledger.staged_table, raw) THEN
      RAISE EXCEPTION 'readers hold the raw table' USING ERRCODE = 'CF001';
    END IF;
  EXCEPTION WHEN SQLSTATE 'CF001' THEN
    RETURN ledger;
  END;
  UPDATE @extschema@.manifests m
     SET state = 'superseded', staged_table = NULL, in_raw = false, in_costs = in_costs AND NOT normalized, in_facts = in_facts AND NOT normalized
   WHERE m.source_name = source.name AND m.billing_period = month AND m.id <> ledger.id
     AND (m.state <> 'superseded' OR m.in_costs OR m.in_facts);
  UPDATE @extschema@.manifests m
     SET state = 'loaded', staged_table = NULL, loaded_at = clock_timestamp(), error = NULL,
         in_raw = sync_month.raw, in_costs = normalized OR in_costs
   WHERE m.id = ledger.id RETURNING * INTO ledger;
  RETURN ledger;
END
$$;
COMMENT ON FUNCTION @extschema@.sync_month(@extschema@.sources, date, text, boolean, boolean, boolean) IS
  'Loads one month and swaps it in: raw table, costs_daily and ledger together. Returns the ledger row: loaded, or staged when readers held the raw table; NULL when another session loads the month or has done so meanwhile.';

CREATE FUNCTION @extschema@.note_month(
    source text, month date, fingerprint text, manifest_id text, files bigint, bytes numeric, failure text) RETURNS bigint
  LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO @extschema@.manifests AS m
    (source_name, billing_period, fingerprint, manifest_id, state, files, bytes, started_at, error)
  SELECT s.name, month, note_month.fingerprint, note_month.manifest_id,
         CASE WHEN failure IS NULL THEN 'loading' ELSE 'failed' END::@extschema@.manifest_state,
         note_month.files, note_month.bytes, clock_timestamp(), failure
    FROM @extschema@.sources s
   -- The source may have been removed meanwhile; without a fingerprint no month is known.
   WHERE s.name = source AND note_month.fingerprint IS NOT NULL FOR KEY SHARE
  ON CONFLICT (source_name, billing_period, fingerprint) DO UPDATE
    SET state = CASE WHEN m.state IN ('staged', 'loaded') THEN m.state ELSE EXCLUDED.state END,
        started_at = EXCLUDED.started_at, error = EXCLUDED.error
  RETURNING m.id
$$;
COMMENT ON FUNCTION @extschema@.note_month(text, date, text, text, bigint, numeric, text) IS
  'Writes into the ledger that a month is being loaded, or why it failed. Returns the ledger row''s id; NULL for a source that is gone.';

CREATE FUNCTION @extschema@.log_failure(
    source text, month date, fingerprint text, manifest_id text, files bigint, bytes numeric, failure text, started timestamptz) RETURNS bigint
  LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  SELECT @extschema@.note_month(source, month, fingerprint, manifest_id, files, bytes, failure);
  INSERT INTO @extschema@.sync_log (source_name, status, error_message, duration_seconds, bytes, billing_period, manifest_id)
  VALUES (source, 'failed', failure, extract(epoch FROM clock_timestamp() - started), log_failure.bytes, month, log_failure.manifest_id)
  RETURNING id
$$;
COMMENT ON FUNCTION @extschema@.log_failure(text, date, text, text, bigint, numeric, text, timestamptz) IS
  'Writes into ledger and sync_log why a month failed. Returns the id in sync_log.';

CREATE FUNCTION @extschema@.prepare_month(step record, alone boolean, OUT ledger bigint, OUT logged bigint)
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  started timestamptz := clock_timestamp();
  source @extschema@.sources;
  failure text := CASE WHEN step.action = 'fail' THEN step.why END;
  changed text;
BEGIN
  SELECT * INTO source FROM @extschema@.sources x WHERE x.name = step.source_name;
  -- Removed meanwhile.
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF failure IS NULL THEN
    BEGIN
      -- A staged month was followed when it was loaded, and is swapped in without reading anything.
      changed := CASE WHEN step.action <> 'swap' THEN @extschema@.follow_columns(source, step.billing_period, alone) END;
      IF changed IS NOT NULL THEN
        RAISE NOTICE '% %: columns changed (%), see cost_analytics.schema_changes', source.name, to_char(step.billing_period, 'YYYY-MM'), changed;
      END IF;
      ledger := @extschema@.note_month(source.name, step.billing_period, step.fingerprint, step.manifest_id, step.files, step.bytes, NULL);
      RETURN;
    EXCEPTION
      WHEN SQLSTATE 'CF002' THEN RAISE;
      WHEN OTHERS THEN failure := SQLERRM;
    END;
  END IF;
  logged := @extschema@.log_failure(step.source_name, step.billing_period, step.fingerprint, step.manifest_id, step.files, step.bytes, failure, started);
END
$$;
COMMENT ON FUNCTION @extschema@.prepare_month(record, boolean) IS
  'Makes the foreign table fit for a month that cost_plan() names, and writes into the ledger that it is being loaded. Returns the ledger row''s id, or the id in sync_log of why it cannot be. Unless alone, raises CF002 when the foreign table has to change.';

CREATE FUNCTION @extschema@.take_month(ledger bigint, raw boolean, normalized boolean, force boolean) RETURNS bigint
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  started timestamptz := clock_timestamp();
  noted @extschema@.manifests;
  source @extschema@.sources;
  done @extschema@.manifests;
  logged bigint;
BEGIN
  SELECT * INTO noted FROM @extschema@.manifests m WHERE m.id = ledger;
  SELECT * INTO source FROM @extschema@.sources x WHERE x.name = noted.source_name;
  -- Removed meanwhile.
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  BEGIN
    done := @extschema@.sync_month(source, noted.billing_period, noted.fingerprint, coalesce(take_month.raw, source.raw), normalized, force);
  EXCEPTION WHEN OTHERS THEN
    RETURN @extschema@.log_failure(noted.source_name, noted.billing_period, noted.fingerprint, noted.manifest_id, noted.files,
                                   noted.bytes, SQLERRM, started);
  END;
  IF done.id IS NULL THEN
    RETURN NULL;
  END IF;
  RAISE NOTICE '% %: % (% rows, % unblended, % s)', source.name, to_char(done.billing_period, 'YYYY-MM'),
    CASE done.state WHEN 'staged' THEN 'staged, readers hold the raw table; the next cost_sync() swaps it in' ELSE done.state::text END,
    done.rows, round(done.unblended, 2), round(extract(epoch FROM clock_timestamp() - started)::numeric, 1);
  INSERT INTO @extschema@.sync_log (source_name, rows_loaded, status, duration_seconds, bytes, billing_period, manifest_id)
  VALUES (source.name, done.rows, done.state::text, extract(epoch FROM clock_timestamp() - started), done.bytes, done.billing_period, done.manifest_id)
  RETURNING id INTO logged;
  RETURN logged;
END
$$;
COMMENT ON FUNCTION @extschema@.take_month(bigint, boolean, boolean, boolean) IS
  'Loads the month of a ledger row, as cost_sync() was told to. Returns the id of what became of it in sync_log; NULL when there was nothing to do.';
