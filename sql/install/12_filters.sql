-- Sources that load only some accounts, or some accounts' regions.
CREATE FUNCTION @extschema@.check_filters(filters jsonb) RETURNS boolean
  LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF filters IS NULL THEN
    RETURN true;
  END IF;
  IF jsonb_typeof(filters) <> 'object' OR filters = '{}'
     OR EXISTS (SELECT FROM jsonb_each(filters) f
                 WHERE jsonb_typeof(f.value) NOT IN ('null', 'array') OR f.value = '[]')
     OR EXISTS (SELECT FROM jsonb_each(filters) f, LATERAL jsonb_array_elements(CASE jsonb_typeof(f.value) WHEN 'array' THEN f.value ELSE '[]' END) r
                 WHERE jsonb_typeof(r) <> 'string') THEN
    RAISE EXCEPTION 'filters % are not usable', filters
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Write accounts with their regions, null for all: {"111122223333": null, "444455556666": ["eu-west-1", ""]}. "" stands for line items without a region, "*" for all other accounts.';
  END IF;
  RETURN true;
END
$$;
COMMENT ON FUNCTION @extschema@.check_filters(jsonb) IS 'True, or an error that says how filters are written.';
ALTER TABLE @extschema@.sources ADD CONSTRAINT sources_filters_check CHECK (@extschema@.check_filters(filters));

CREATE FUNCTION @extschema@.filter_sql(filters jsonb, relation regclass) RETURNS text
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  account text := @extschema@.normalized_column_sql(relation, 'account_id');
  region text := @extschema@.normalized_column_sql(relation, 'region');
  named text := (SELECT string_agg(quote_literal(k), ', ' ORDER BY k) FROM jsonb_object_keys(filters) k WHERE k <> '*');
  exact text;
BEGIN
  IF filters IS NULL THEN
    RETURN 'true';
  END IF;
  SELECT string_agg(
           CASE WHEN f.key <> '*' THEN format('%s = %L', account, f.key)
                WHEN named IS NULL THEN 'true'
                ELSE format('%s NOT IN (%s)', account, named) END
           || CASE jsonb_typeof(f.value) WHEN 'array' THEN
                format(' AND coalesce(%s, '''') IN (%s)', region,
                  (SELECT string_agg(quote_literal(r), ', ') FROM jsonb_array_elements_text(f.value) r))
              ELSE '' END, ' OR ' ORDER BY f.key)
    INTO exact FROM jsonb_each(filters) f;
  -- A plain column's condition is pushed down; what normalizing falls back from stays in.
  IF NOT filters ? '*' AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation
                                      AND a.attname = 'line_item_usage_account_id' AND a.atttypid = 'text'::regtype) THEN
    RETURN format('(line_item_usage_account_id IN (%s, '''') OR line_item_usage_account_id IS NULL) AND (%s)', named, exact);
  END IF;
  RETURN format('(%s)', exact);
END
$$;
COMMENT ON FUNCTION @extschema@.filter_sql(jsonb, regclass) IS
  'A source''s filters as a condition over its foreign table, by the account and region that costs shows; true without filters.';

CREATE FUNCTION @extschema@.check_delivery(foreign_table regclass, month date, fingerprint text) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF fingerprint IS DISTINCT FROM (
      SELECT m.fingerprint FROM @extschema@.export_months(foreign_table, ARRAY[check_delivery.fingerprint], month, month) m) THEN
    RAISE EXCEPTION 'a new delivery of %, % arrived while it was read', foreign_table, to_char(month, 'YYYY-MM')
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The next cost_sync() loads it.';
  END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.check_delivery(regclass, date, text) IS
  'Raises an error when a month''s delivery is another than the one of this fingerprint.';

CREATE FUNCTION @extschema@.totals_of_month(foreign_table regclass, billing_period date, filters jsonb)
  RETURNS TABLE (rows bigint, files bigint, bytes numeric, unblended numeric, fingerprint text, manifest_id text)
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  SELECT m.files, m.bytes, m.fingerprint, m.manifest_id INTO files, bytes, fingerprint, manifest_id
    FROM @extschema@.export_months(foreign_table, '{}', billing_period, billing_period) m;
  EXECUTE format('SELECT count(*), %s FROM %s WHERE billing_period = %L AND %s',
      @extschema@.normalized_column_sql(foreign_table, 'cost_in_files'), foreign_table, billing_period,
      @extschema@.filter_sql(filters, foreign_table))
    INTO rows, unblended;
  RETURN NEXT;
END
$$;
COMMENT ON FUNCTION @extschema@.totals_of_month(regclass, date, jsonb) IS
  'What load_month() returns, of the rows that filters choose, without loading anything.';

CREATE FUNCTION @extschema@.load_filtered_month(foreign_table regclass, billing_period date, target regclass, filters jsonb)
  RETURNS TABLE (rows bigint, files bigint, bytes numeric, unblended numeric, fingerprint text, manifest_id text)
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  columns text := (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
                    WHERE a.attrelid = foreign_table AND a.attnum > 0 AND NOT a.attisdropped);
  kept bigint;
  stored numeric;
BEGIN
  SELECT t.* INTO rows, files, bytes, unblended, fingerprint, manifest_id
    FROM @extschema@.totals_of_month(foreign_table, billing_period, filters) t;
  EXECUTE format('INSERT INTO %s (%s, sync_timestamp) SELECT %2$s, now() FROM %3$s WHERE billing_period = %4$L AND %5$s',
    target, columns, foreign_table, billing_period, @extschema@.filter_sql(filters, foreign_table));
  GET DIAGNOSTICS kept = ROW_COUNT;
  PERFORM @extschema@.check_delivery(foreign_table, billing_period, fingerprint);
  IF kept <> rows THEN
    RAISE EXCEPTION 'of % rows of %, % only % were inserted', rows, foreign_table, to_char(billing_period, 'YYYY-MM'), kept
      USING ERRCODE = 'triggered_data_change_violation',
            HINT = 'A trigger of the raw table drops rows, and the month would not come to what was billed. Filter in a view instead.';
  END IF;
  EXECUTE format('SELECT %s FROM %s', @extschema@.normalized_column_sql(target, 'cost_in_files'), target) INTO stored;
  IF stored IS DISTINCT FROM unblended THEN
    RAISE EXCEPTION 'the rows of %, % come to %, but to % as they were stored', foreign_table, to_char(billing_period, 'YYYY-MM'), unblended, stored
      USING ERRCODE = 'triggered_data_change_violation',
            HINT = 'A trigger of the raw table changes costs, and the month would not come to what was billed. Write other amounts into a column of your own.';
  END IF;
  RETURN NEXT;
END
$$;
COMMENT ON FUNCTION @extschema@.load_filtered_month(regclass, date, regclass, jsonb) IS
  'As load_month(), but through the executor, with triggers and generated columns, and only the rows that filters choose. They are read twice, once for the totals that the tables must come to and once for the table.';
