-- What cost_sync() would do.
CREATE FUNCTION @extschema@.month_argument(value text) RETURNS date
  LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF value !~ '^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$' THEN
    RAISE EXCEPTION '"%" is not a month', value
      USING ERRCODE = 'invalid_datetime_format', HINT = 'Write it as ''2025-11''.';
  END IF;
  RETURN pg_catalog.date_trunc('month', (pg_catalog.left(value, 7) || '-01')::pg_catalog.timestamp)::date;
END
$$;
COMMENT ON FUNCTION @extschema@.month_argument(text) IS 'The first day of a month written as 2025-11 or as any of its days.';

CREATE FUNCTION @extschema@.cost_plan(
    source text DEFAULT NULL, months integer DEFAULT NULL, since text DEFAULT NULL, until text DEFAULT NULL, force boolean DEFAULT false,
    raw boolean DEFAULT NULL, normalized boolean DEFAULT true)
  RETURNS TABLE (source_name text, billing_period date, manifest_id text, action text, files bigint, bytes numeric, why text, fingerprint text)
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s @extschema@.sources;
  m record;
  known text[];
  loaded text;
  staged text;
  complete boolean;
  same_filters boolean;
  first_month date := @extschema@.month_argument(since);
  last_month date := @extschema@.month_argument(until);
BEGIN
  IF source IS NOT NULL AND NOT EXISTS (SELECT FROM @extschema@.sources x WHERE x.name = source) THEN
    RAISE EXCEPTION 'there is no source "%"', source
      USING ERRCODE = 'undefined_object', HINT = 'SELECT name FROM cost_analytics.sources; cost_add_source() adds one.';
  END IF;
  IF months < 1 THEN
    RAISE EXCEPTION 'months is %, but must be at least 1', months USING ERRCODE = 'invalid_parameter_value',
      HINT = 'Leave it out for all months.';
  END IF;
  FOR s IN SELECT * FROM @extschema@.sources x
            WHERE CASE WHEN source IS NULL THEN x.enabled ELSE x.name = source END ORDER BY x.name LOOP
    source_name := s.name;
    SELECT coalesce(array_agg(x.fingerprint), '{}') INTO known FROM @extschema@.manifests x
     WHERE x.source_name = s.name AND x.state IN ('loaded', 'staged', 'dropped') AND NOT force;
    BEGIN
      FOR m IN SELECT * FROM @extschema@.export_months(pg_catalog.format('@extschema@.%I', s.foreign_table)::regclass, known,
                                                              first_month, last_month, months, s.months_to_keep) LOOP
        SELECT max(x.fingerprint) FILTER (WHERE x.state = 'loaded'),
               max(x.fingerprint) FILTER (WHERE x.state = 'staged' AND x.filters IS NOT DISTINCT FROM s.filters
                 AND to_regclass('@extschema@.' || quote_ident(x.staged_table)) IS NOT NULL),
               bool_and((x.in_costs OR NOT normalized) AND (x.in_raw OR NOT coalesce(cost_plan.raw, s.raw)))
                 FILTER (WHERE x.state = 'loaded'),
               bool_and(x.filters IS NOT DISTINCT FROM s.filters) FILTER (WHERE x.state = 'loaded'),
               -- Not read again for a delivery that is known.
               coalesce(m.manifest_id, max(x.manifest_id) FILTER (WHERE x.fingerprint = m.fingerprint))
          INTO loaded, staged, complete, same_filters, manifest_id FROM @extschema@.manifests x
         WHERE x.source_name = s.name AND x.billing_period = m.billing_period;
        billing_period := m.billing_period; fingerprint := m.fingerprint;
        files := m.files; bytes := m.bytes;
        IF NOT m.kept THEN
          action := 'skip'; why := format('older than the %s months to keep', s.months_to_keep);
        ELSIF m.problem IS NOT NULL THEN
          action := 'fail'; why := m.problem;
        ELSIF staged = m.fingerprint AND NOT force THEN
          action := 'swap'; why := 'loaded already, waits for readers of the raw table';
        ELSIF loaded = m.fingerprint AND complete AND same_filters AND NOT force THEN
          action := 'skip'; why := 'unchanged since it was loaded';
        ELSIF loaded = m.fingerprint THEN
          action := 'replace'; why := CASE WHEN force THEN 'forced' WHEN NOT same_filters THEN 'the source''s filters changed'
                                             ELSE 'not yet in both raw table and costs' END;
        ELSIF loaded IS NOT NULL THEN
          action := 'replace'; why := 'a new delivery';
        ELSE
          action := 'load'; why := 'not loaded yet';
        END IF;
        IF action IN ('load', 'replace') AND manifest_id IS NULL THEN
          why := why || '; there is no manifest, the listed files are taken';
        END IF;
        RETURN NEXT;
      END LOOP;
    EXCEPTION WHEN OTHERS THEN
      billing_period := NULL; fingerprint := NULL; manifest_id := NULL; files := NULL; bytes := NULL;
      action := 'fail'; why := SQLERRM;
      RETURN NEXT;
    END;
  END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.cost_plan(text, integer, text, text, boolean, boolean, boolean) IS
  'What cost_sync() with these arguments would do, newest month first: load, replace, swap, skip or fail, and why. Reads a listing per source and the manifests of new deliveries, no data.';
