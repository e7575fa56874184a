-- One month, in one transaction.
CREATE FUNCTION @extschema@.month_table(source @extschema@.sources, month date, suffix text DEFAULT '') RETURNS text
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT source.raw_table || pg_catalog.to_char(month, '_YYYY_MM') || suffix
$$;
COMMENT ON FUNCTION @extschema@.month_table(@extschema@.sources, date, text) IS 'The name of a month''s partition.';

-- Only what stage_month() made: DROP TABLE IF EXISTS would take any table of that name, and send a
-- NOTICE where there is none.
CREATE FUNCTION @extschema@.drop_staged_table(name text) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

CREATE FUNCTION @extschema@.stage_month(source @extschema@.sources, month date) RETURNS @extschema@.manifests
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  leaf text := @extschema@.month_table(source, month, '_new');
  ft regclass := pg_catalog.format('@extschema@.%I', source.foreign_table)::regclass;
  result record;
  staged @extschema@.manifests;
BEGIN
  PERFORM @extschema@.check_types(source);
  PERFORM @extschema@.drop_staged_table(leaf);
  EXECUTE pg_catalog.format(
    'CREATE TABLE @extschema@.%I (LIKE @extschema@.%I, sync_timestamp timestamptz NOT NULL, '
    'CONSTRAINT month CHECK (billing_period IS NOT NULL AND billing_period = %L AND year = %L AND month = %L))',
    leaf, source.foreign_table, month,
    pg_catalog.to_char(month, 'FMYYYY'), pg_catalog.to_char(month, 'FMMM'));
  EXECUTE pg_catalog.format('ALTER TABLE @extschema@.%I OWNER TO cost_admin', leaf);
  IF source.filters IS NULL THEN
    SELECT * INTO STRICT result FROM @extschema@.load_month(ft, month, format('@extschema@.%I', leaf)::regclass);
  ELSE
    SELECT * INTO STRICT result
      FROM @extschema@.load_filtered_month(ft, month, format('@extschema@.%I', leaf)::regclass, source.filters);
  END IF;
  EXECUTE pg_catalog.format('ANALYZE @extschema@.%I', leaf);
  UPDATE @extschema@.manifests m
     SET state = 'superseded', staged_table = NULL
   WHERE m.source_name = source.name AND m.billing_period = month AND m.state = 'staged'
     AND m.fingerprint <> result.fingerprint;
  INSERT INTO @extschema@.manifests AS m
    (source_name, billing_period, fingerprint, manifest_id, state, files, bytes, rows, unblended, filters, staged_table, started_at)
  VALUES (source.name, month, result.fingerprint, result.manifest_id, 'staged', result.files, result.bytes,
          result.rows, result.unblended, source.filters, leaf, now())
  ON CONFLICT (source_name, billing_period, fingerprint) DO UPDATE
    SET manifest_id = EXCLUDED.manifest_id, state = 'staged', files = EXCLUDED.files, bytes = EXCLUDED.bytes,
        rows = EXCLUDED.rows, unblended = EXCLUDED.unblended, filters = EXCLUDED.filters, staged_table = EXCLUDED.staged_table, error = NULL, in_raw = false,
        started_at = EXCLUDED.started_at
  RETURNING * INTO staged;
  RETURN staged;
END
$$;
COMMENT ON FUNCTION @extschema@.stage_month(@extschema@.sources, date) IS
  'Loads a month into a table of its own that readers do not see yet.';

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
  PERFORM pg_catalog.set_config('lock_timeout', patience, true);
  BEGIN
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

CREATE FUNCTION @extschema@.roll_up_month(source @extschema@.sources, month date, relation regclass, expected numeric) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  total numeric;
BEGIN
  total := @extschema@.replace_month('costs_daily', source.name, month, @extschema@.normalization_sql(relation, source.format));
  IF total <> expected THEN
    RAISE EXCEPTION 'costs of source "%" for % sum to %, but the files to %', source.name,
      pg_catalog.to_char(month, 'YYYY-MM'), total, expected
      USING ERRCODE = 'data_corrupted', HINT = 'Nothing was changed. Please report this with the export''s column list.';
  END IF;
  PERFORM @extschema@.replace_facts(source, month, relation);
  UPDATE @extschema@.manifests m
     SET amortized = i.amortized_cost, identity_difference = i.difference, in_facts = source.facts
    FROM (SELECT sum(x.amortized_cost) AS amortized_cost, sum(x.difference) AS difference
            FROM @extschema@.cost_identity x WHERE x.source_name = source.name AND x.billing_period = month) i
   WHERE m.source_name = source.name AND m.billing_period = month AND m.state = 'staged';
END
$$;
COMMENT ON FUNCTION @extschema@.roll_up_month(@extschema@.sources, date, regclass, numeric) IS
  'Replaces a month in costs_daily, and in fact_usage where the source keeps it. Refuses a total that differs from the one read from the files.';

CREATE FUNCTION @extschema@.sync_month(source @extschema@.sources, month date, fingerprint text, raw boolean, normalized boolean, force boolean)
  RETURNS @extschema@.manifests LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ledger @extschema@.manifests;
BEGIN
  IF NOT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('cur_fdw ' || source.name || pg_catalog.to_char(month, ' YYYY-MM'), 0)) THEN
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
  IF NOT FOUND OR force OR to_regclass(format('@extschema@.%I', ledger.staged_table)) IS NULL THEN
    ledger := @extschema@.stage_month(source, month);
    IF ledger.fingerprint <> sync_month.fingerprint THEN
      RAISE EXCEPTION 'a new delivery of source "%", % arrived meanwhile', source.name, to_char(month, 'YYYY-MM')
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The next cost_sync() loads it.';
    END IF;
  END IF;
  BEGIN
    -- First, because the swap holds off the raw table's readers until the end of the transaction.
    IF normalized THEN
      PERFORM @extschema@.note_restatement(ledger, replaced => false);
      PERFORM @extschema@.roll_up_month(source, month,
        format('@extschema@.%I', ledger.staged_table)::regclass, ledger.unblended);
      PERFORM @extschema@.note_restatement(ledger, replaced => true);
    END IF;
    IF NOT @extschema@.swap_month(source, month, ledger.staged_table, raw) THEN
      RAISE EXCEPTION 'readers hold the raw table' USING ERRCODE = 'CF001';
    END IF;
  EXCEPTION WHEN SQLSTATE 'CF001' THEN
    RETURN ledger;
  END;
  UPDATE @extschema@.manifests m SET state = 'superseded', staged_table = NULL, in_raw = false, in_costs = in_costs AND NOT normalized
   WHERE m.source_name = source.name AND m.billing_period = month AND m.id <> ledger.id AND m.state <> 'superseded';
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
    source text, month date, fingerprint text, manifest_id text, files bigint, bytes numeric, failure text) RETURNS void
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
$$;
COMMENT ON FUNCTION @extschema@.note_month(text, date, text, text, bigint, numeric, text) IS
  'Writes into the ledger that a month is being loaded, or why it failed.';
