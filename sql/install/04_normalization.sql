-- What a bill's columns mean, as SQL. The rules are in the crate billing, a file a dialect.
CREATE FUNCTION @extschema@.normalization_sql(relation regclass, format text, condition text DEFAULT NULL) RETURNS text
  LANGUAGE c AS 'MODULE_PATHNAME', 'normalization_sql_wrapper';
COMMENT ON FUNCTION @extschema@.normalization_sql(regclass, text, text) IS
  'The query that gives a foreign table or raw table the shape of costs_daily, from the columns it has. format, as cost_discover names it, tells an azure-amortized export from an actual one; NULL goes by the columns. condition chooses rows. NULL for a relation without a column of what is billed, which is no bill.';

CREATE FUNCTION @extschema@.normalization_sql(relation regclass) RETURNS text
  LANGUAGE sql STABLE RETURN @extschema@.normalization_sql(relation, NULL::text);
COMMENT ON FUNCTION @extschema@.normalization_sql(regclass) IS
  'The query that gives a foreign table or raw table the shape of costs_daily, from the columns it has.';

CREATE FUNCTION @extschema@.normalization_sql(source text) RETURNS text
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s @extschema@.sources;
BEGIN
  SELECT * INTO s FROM @extschema@.sources x WHERE x.name = source;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no source "%"', source
      USING ERRCODE = 'undefined_object',
            HINT = 'SELECT name FROM cost_analytics.sources; for a table write normalization_sql(''name''::regclass).';
  END IF;
  RETURN @extschema@.normalization_sql(format('@extschema@.%I', s.foreign_table)::regclass, s.format);
END
$$;
COMMENT ON FUNCTION @extschema@.normalization_sql(text) IS
  'The query behind a source''s costs, over its foreign table: to read, to run where the bill lies, to change and to keep.';

CREATE FUNCTION @extschema@.usage_sql(relation regclass, format text DEFAULT NULL, condition text DEFAULT NULL) RETURNS text
  LANGUAGE c AS 'MODULE_PATHNAME', 'usage_sql_wrapper';
COMMENT ON FUNCTION @extschema@.usage_sql(regclass, text, text) IS
  'The query that gives a foreign table or raw table the shape of fact_usage, from the columns it has; NULL for one that is no bill.';

CREATE FUNCTION @extschema@.normalized_column_sql(relation regclass, name text, format text DEFAULT NULL) RETURNS text
  LANGUAGE c AS 'MODULE_PATHNAME', 'normalized_column_sql_wrapper';
COMMENT ON FUNCTION @extschema@.normalized_column_sql(regclass, text, text) IS
  'The expression over a foreign table''s or raw table''s columns behind a column of costs_daily or fact_usage, such as account_id or cost (an aggregate); NULL for one that has no rule.';

CREATE FUNCTION @extschema@.labels(document jsonb, prefix text DEFAULT '') RETURNS jsonb
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (SELECT coalesce(jsonb_object_agg(CASE WHEN starts_with(l.key, prefix) THEN substr(l.key, length(prefix) + 1) ELSE l.key END, l.value)
                            FILTER (WHERE l.key IS NOT NULL AND l.value <> ''), '{}')
            FROM (SELECT o.key, o.value FROM jsonb_each_text(CASE jsonb_typeof(document) WHEN 'object' THEN document ELSE '{}' END) o
                  UNION ALL
                  SELECT e ->> 'key', e ->> 'value' FROM jsonb_array_elements(CASE jsonb_typeof(document) WHEN 'array' THEN document ELSE '[]' END) e) l);
COMMENT ON FUNCTION @extschema@.labels(jsonb, text) IS
  'Tags or labels as one object: from an object, or from Google''s array of keys and values. Without empty values, and without what keys begin with; {} for none.';

CREATE FUNCTION @extschema@.labels(document text, prefix text DEFAULT '') RETURNS jsonb
  -- Postgres 15 and 16 start no subtransaction in a parallel worker.
  LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  trimmed text := btrim(document);
BEGIN
  IF trimmed IS NULL OR trimmed = '' THEN
    RETURN '{}';
  END IF;
  BEGIN
    -- Azure leaves the braces away.
    RETURN @extschema@.labels(CASE WHEN trimmed ~ '^[{\[]' THEN trimmed ELSE '{' || trimmed || '}' END::jsonb, prefix);
  EXCEPTION WHEN data_exception THEN
    RETURN '{}';
  END;
END
$$;
COMMENT ON FUNCTION @extschema@.labels(text, text) IS 'The same of a JSON text, with or without its outer braces; {} for one that is no JSON.';

CREATE FUNCTION @extschema@.credits_total(credits jsonb) RETURNS numeric
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (SELECT sum((c ->> 'amount')::numeric) FROM jsonb_array_elements(CASE jsonb_typeof(credits) WHEN 'array' THEN credits ELSE '[]' END) c);
COMMENT ON FUNCTION @extschema@.credits_total(jsonb) IS 'The sum of a Google line''s credits, which are negative; NULL for none.';

CREATE FUNCTION @extschema@.credits_total(credits text) RETURNS numeric
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (SELECT sum(m[1]::numeric) FROM regexp_matches(credits, '[''"]amount[''"]\s*:\s*[''"]?(-?[0-9.]+(?:[eE][-+]?[0-9]+)?)', 'g') m);
COMMENT ON FUNCTION @extschema@.credits_total(text) IS 'The same of a text: JSON, or a list as Python prints it.';

CREATE FUNCTION @extschema@.credits_total(credits double precision) RETURNS numeric
  LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN @extschema@.exact_numeric(credits);
COMMENT ON FUNCTION @extschema@.credits_total(double precision) IS 'The same of credits that were summed by the export.';
