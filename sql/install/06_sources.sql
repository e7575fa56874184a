-- Adding and removing sources.
CREATE FUNCTION @extschema@.cost_add_source(name text, server text, prefix text, raw_table text DEFAULT NULL, raw boolean DEFAULT true,
    filters jsonb DEFAULT NULL, months_to_keep integer DEFAULT NULL, facts boolean DEFAULT false)
  RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root text;
  raw_name text := coalesce(raw_table, 'raw_' || name);
  taken text;
  format_name text;
BEGIN
  IF name !~ '^[a-z][a-z0-9_]{0,39}$' THEN
    RAISE EXCEPTION 'source name "%" is not usable', name
      USING ERRCODE = 'invalid_name',
            HINT = 'Use at most 40 lower-case letters, digits and underscores, beginning with a letter.';
  END IF;
  IF raw_name !~ '^[a-z][a-z0-9_]{0,47}$' THEN
    RAISE EXCEPTION 'raw table name "%" is not usable', raw_name
      USING ERRCODE = 'invalid_name',
            HINT = 'Use at most 48 lower-case letters, digits and underscores, beginning with a letter.';
  END IF;
  root := @extschema@.export_root(server, prefix);
  SELECT s.name INTO taken FROM @extschema@.sources s
   WHERE s.name = cost_add_source.name OR (s.server = cost_add_source.server AND s.prefix = root);
  IF FOUND THEN
    RAISE EXCEPTION 'source "%" already reads the export "%" of server "%"', taken, root, server
      USING ERRCODE = 'duplicate_object',
            HINT = 'One source per export: a second one would count every cost twice. cost_remove_source(name) removes a source.';
  END IF;
  IF pg_catalog.to_regclass(format('@extschema@.%I', raw_name)) IS NOT NULL THEN
    RAISE EXCEPTION 'table "%" exists already', raw_name
      USING ERRCODE = 'duplicate_table',
            HINT = 'A source that was removed may have left it. Name another raw_table, or drop or rename this one.';
  END IF;
  EXECUTE @extschema@.foreign_table_sql(server, root, name);
  EXECUTE format('COMMENT ON FOREIGN TABLE @extschema@.%I IS %L', name,
    format('The export %s of server %s, read where it lies.', root, server));
  EXECUTE format('CREATE TABLE @extschema@.%I (LIKE @extschema@.%I, sync_timestamp timestamptz NOT NULL) PARTITION BY LIST (billing_period)', raw_name, name);
  EXECUTE format('COMMENT ON TABLE @extschema@.%I IS %L', raw_name,
    format('Every original row and column of the export %s, one partition a month, loaded by cost_sync().', root));
  EXECUTE format('ALTER FOREIGN TABLE @extschema@.%I OWNER TO cost_admin', name);
  EXECUTE format('ALTER TABLE @extschema@.%I OWNER TO cost_admin', raw_name);
  EXECUTE format('GRANT SELECT ON @extschema@.%I TO cost_reader', raw_name);
  SELECT d.format INTO format_name FROM @extschema@.cost_discover(server, root) d WHERE d.prefix = root;
  INSERT INTO @extschema@.sources (name, server, prefix, foreign_table, raw_table, raw, filters, months_to_keep, facts, format, cloud_provider)
  VALUES (name, server, root, name, raw_name, raw, filters, months_to_keep, facts, format_name,
          coalesce(substring(format_name FROM '^(aws|azure|gcp)-'), 'other'));
  EXECUTE format('CREATE VIEW @extschema@.%I WITH (security_invoker = true) AS
    SELECT date, account_id, service, region, cost, currency, cloud_provider, source_table, sync_timestamp
      FROM @extschema@.costs WHERE source_name = %L', name || '_normalized', name);
  EXECUTE format('COMMENT ON VIEW @extschema@.%I IS %L', name || '_normalized',
    format('The rows of costs that come from source %s.', name));
  EXECUTE format('ALTER VIEW @extschema@.%I OWNER TO cost_admin', name || '_normalized');
  EXECUTE format('GRANT SELECT ON @extschema@.%I TO cost_reader', name || '_normalized');
  RETURN name;
END
$$;
COMMENT ON FUNCTION @extschema@.cost_add_source(text, text, text, text, boolean, jsonb, integer, boolean) IS
  'Registers an export for cost_sync(): makes the foreign table <name>, the raw table and the view <name>_normalized. Loads nothing.';

CREATE FUNCTION @extschema@.cost_remove_source(name text, drop_raw boolean DEFAULT false)
  RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source @extschema@.sources;
  staged text;
BEGIN
  FOR staged IN SELECT m.staged_table FROM @extschema@.manifests m
                 WHERE m.source_name = cost_remove_source.name AND m.staged_table IS NOT NULL LOOP
    PERFORM @extschema@.drop_staged_table(staged);
  END LOOP;
  DELETE FROM @extschema@.sources s WHERE s.name = cost_remove_source.name RETURNING * INTO source;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no source "%"', name
      USING ERRCODE = 'undefined_object', HINT = 'SELECT name FROM cost_analytics.sources.';
  END IF;
  DELETE FROM @extschema@.costs_daily d WHERE d.source_name = cost_remove_source.name;
  DELETE FROM @extschema@.fact_usage f WHERE f.source_name = cost_remove_source.name;
  EXECUTE format('DROP VIEW IF EXISTS @extschema@.%I', name || '_normalized');
  EXECUTE format('DROP FOREIGN TABLE IF EXISTS @extschema@.%I', source.foreign_table);
  IF drop_raw THEN
    EXECUTE format('DROP TABLE IF EXISTS @extschema@.%I', source.raw_table);
  END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.cost_remove_source(text, boolean) IS
  'Forgets a source with its costs and ledger. Its raw table stays unless drop_raw.';
