-- Months that are older than a source keeps.
CREATE FUNCTION @extschema@.months_to_drop(source text) RETURNS TABLE (source_name text, billing_period date)
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.name, m.billing_period
    FROM @extschema@.sources s
    JOIN @extschema@.manifests m ON m.source_name = s.name
   WHERE CASE WHEN source IS NULL THEN s.enabled ELSE s.name = source END
     AND (m.state IN ('loaded', 'staged') OR m.in_raw OR m.in_costs)
     -- Counted from the newest month that is there, so that a failed one costs no old one.
     AND m.billing_period <= (SELECT max(n.billing_period) FROM @extschema@.manifests n
                               WHERE n.source_name = s.name AND n.state = 'loaded')
                             - pg_catalog.make_interval(months => s.months_to_keep)
   GROUP BY 1, 2 ORDER BY 2, 1
$$;
COMMENT ON FUNCTION @extschema@.months_to_drop(text) IS
  'The months of a source, or with NULL of all enabled ones, that are older than its months_to_keep.';

CREATE FUNCTION @extschema@.drop_month(source @extschema@.sources, month date) RETURNS boolean
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT @extschema@.lock_month(source, month)
     OR NOT @extschema@.swap_month(source, month, @extschema@.month_table(source, month, '_new'), keep => false) THEN
    RETURN false;
  END IF;
  DELETE FROM @extschema@.costs_daily d WHERE d.source_name = source.name AND d.billing_period = month;
  -- What is known of resources stays: when they were first seen.
  DELETE FROM @extschema@.fact_usage f WHERE f.source_name = source.name AND f.billing_period = month;
  UPDATE @extschema@.manifests m
     SET state = CASE WHEN m.state IN ('loaded', 'staged') THEN 'dropped' ELSE m.state END,
         staged_table = NULL, in_raw = false, in_costs = false, in_facts = false
   WHERE m.source_name = source.name AND m.billing_period = month;
  INSERT INTO @extschema@.sync_log (source_name, status, duration_seconds, billing_period)
  VALUES (source.name, 'dropped', extract(epoch FROM clock_timestamp() - now()), month);
  RETURN true;
END
$$;
COMMENT ON FUNCTION @extschema@.drop_month(@extschema@.sources, date) IS
  'Drops a month from the raw table and costs_daily; the ledger keeps its totals. False when readers did not let go of the raw table within cur_fdw.swap_lock_timeout, or another session loads the month.';
