-- Columns that come, go and change their type from month to month.
CREATE TABLE @extschema@.month_columns (
  source_name    text NOT NULL REFERENCES @extschema@.sources (name) ON UPDATE CASCADE ON DELETE CASCADE,
  billing_period date NOT NULL,
  "position"     integer NOT NULL,
  column_name    text NOT NULL,
  file_column    text NOT NULL,
  PRIMARY KEY (source_name, billing_period, file_column)
);
COMMENT ON TABLE @extschema@.month_columns IS 'The columns of every month that was read, as of its last delivery.';
COMMENT ON COLUMN @extschema@.month_columns.source_name IS 'The source, as in sources.';
COMMENT ON COLUMN @extschema@.month_columns.billing_period IS 'First day of the month.';
COMMENT ON COLUMN @extschema@.month_columns."position" IS 'Place in the month''s files, from 1; columns that only later files have come last.';
COMMENT ON COLUMN @extschema@.month_columns.column_name IS 'Name in the foreign table and the raw table.';
COMMENT ON COLUMN @extschema@.month_columns.file_column IS 'Name in the files.';
SELECT pg_catalog.pg_extension_config_dump('@extschema@.month_columns', '');
GRANT SELECT ON @extschema@.month_columns TO cost_reader;
GRANT INSERT, UPDATE, DELETE ON @extschema@.month_columns TO cost_admin;

-- Costs of columns that are no doubles (any more): a cast to double would round them.
CREATE FUNCTION @extschema@.exact_numeric(value numeric) RETURNS numeric
  LANGUAGE sql STRICT IMMUTABLE PARALLEL SAFE RETURN value;
COMMENT ON FUNCTION @extschema@.exact_numeric(numeric) IS 'The value itself.';
CREATE FUNCTION @extschema@.exact_numeric(value bigint) RETURNS numeric
  LANGUAGE sql STRICT IMMUTABLE PARALLEL SAFE RETURN value::numeric;
COMMENT ON FUNCTION @extschema@.exact_numeric(bigint) IS 'The same value.';
CREATE FUNCTION @extschema@.exact_numeric(value real) RETURNS numeric
  LANGUAGE sql STRICT IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 AS 'SELECT value::text::numeric';
COMMENT ON FUNCTION @extschema@.exact_numeric(real) IS 'The decimal a real prints as (shortest round trip).';
CREATE FUNCTION @extschema@.exact_numeric(value text) RETURNS numeric
  LANGUAGE sql STRICT IMMUTABLE PARALLEL SAFE RETURN nullif(btrim(value), '')::numeric;
COMMENT ON FUNCTION @extschema@.exact_numeric(text) IS 'The decimal that is written there; NULL for an empty text.';
GRANT EXECUTE ON FUNCTION @extschema@.exact_numeric(numeric), @extschema@.exact_numeric(bigint),
  @extschema@.exact_numeric(real), @extschema@.exact_numeric(text) TO cost_reader;

CREATE FUNCTION @extschema@.is_wider(narrow regtype, wide regtype) RETURNS boolean
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT narrow <> wide AND CASE wide
    WHEN 'text'::regtype THEN true
    WHEN 'integer'::regtype THEN narrow = 'smallint'::regtype
    WHEN 'bigint'::regtype THEN narrow IN ('smallint'::regtype, 'integer'::regtype)
    WHEN 'double precision'::regtype THEN narrow IN ('smallint'::regtype, 'integer'::regtype, 'real'::regtype)
    WHEN 'numeric'::regtype THEN narrow IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'real'::regtype, 'double precision'::regtype)
    WHEN 'timestamp'::regtype THEN narrow = 'date'::regtype
    ELSE false END
$$;
COMMENT ON FUNCTION @extschema@.is_wider(regtype, regtype) IS
  'Whether the second type holds every value of the first and is another one. The same order as the reader''s.';

-- Postgres changes no column that a view names. Whoever made the view gets it back as it was.
CREATE FUNCTION @extschema@.alter_under_views(relation regclass, command text) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  views oid[];
  restore text[] := '{}';
  v oid;
  step text;
BEGIN
  EXECUTE command;
EXCEPTION WHEN feature_not_supported THEN
  WITH RECURSIVE above (view, depth) AS (
    SELECT w.ev_class, 1 FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
     WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
       AND d.refobjid = relation AND w.ev_class <> relation
    UNION
    SELECT w.ev_class, a.depth + 1 FROM above a
      JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.view AND d.classid = 'pg_rewrite'::regclass
      JOIN pg_rewrite w ON w.oid = d.objid AND w.ev_class <> a.view)
  SELECT array_agg(x.view ORDER BY x.depth) INTO views FROM (SELECT view, max(depth) AS depth FROM above GROUP BY 1) x;
  IF views IS NULL OR EXISTS (
      SELECT FROM pg_class c WHERE c.oid = ANY (views)
         AND (c.relkind <> 'v' OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid))) THEN
    RAISE EXCEPTION '%', SQLERRM
      USING ERRCODE = 'dependent_objects_still_exist',
            HINT = format('Drop what depends on the column, run "%s", and make it again. The next cost_sync() goes on.', command);
  END IF;
  FOREACH v IN ARRAY views LOOP
    restore := restore || (
      SELECT ARRAY[
          format('CREATE VIEW %s%s AS %s', v::regclass,
            (SELECT ' WITH (' || string_agg(o, ', ') || ')' FROM unnest(c.reloptions) o), pg_get_viewdef(v)),
          format('ALTER VIEW %s OWNER TO %I', v::regclass, pg_get_userbyid(c.relowner)),
          format('COMMENT ON VIEW %s IS %L', v::regclass, obj_description(v, 'pg_class'))]
        FROM pg_class c WHERE c.oid = v)
      || coalesce((SELECT array_agg(format('COMMENT ON COLUMN %s.%I IS %L', v::regclass, a.attname, col_description(v, a.attnum)))
                     FROM pg_attribute a WHERE a.attrelid = v AND col_description(v, a.attnum) IS NOT NULL), '{}')
      || coalesce((SELECT array_agg(format('GRANT %s%s ON %s TO %s%s', g.privilege_type, ' (' || quote_ident(g.attname) || ')', v::regclass,
                            CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
                            CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END))
                     FROM (SELECT NULL::name AS attname, x.* FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = v
                           UNION ALL
                           SELECT a.attname, x.* FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = v) g
                    WHERE g.grantee <> (SELECT c.relowner FROM pg_class c WHERE c.oid = v)), '{}');
  END LOOP;
  FOR n IN REVERSE cardinality(views)..1 LOOP
    EXECUTE format('DROP VIEW %s', views[n]::regclass);
  END LOOP;
  EXECUTE command;
  FOREACH step IN ARRAY restore LOOP
    EXECUTE step;
  END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.alter_under_views(regclass, text) IS
  'Runs a command that changes a table''s column. Views that stand in its way are dropped and made again, with owner, grants, options and comments.';

-- With the settings under which texts come out as the reader spells them.
CREATE FUNCTION @extschema@.widen_column(relation regclass, column_name name, wide regtype) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 SET DateStyle = 'ISO' AS $$
DECLARE
  kind "char";
  value text;
BEGIN
  SELECT c.relkind, format(CASE
              WHEN wide = 'numeric'::regtype THEN '@extschema@.exact_numeric(%1$I)'
              WHEN wide = 'text'::regtype AND a.atttypid = 'timestamp'::regtype THEN 'replace(%1$I::text, '' '', ''T'')'
              WHEN wide = 'jsonb'::regtype AND a.atttypid <> 'text'::regtype THEN 'to_jsonb(%1$I)'
              -- Azure leaves the braces away.
              WHEN wide = 'jsonb'::regtype THEN 'CASE WHEN btrim(%1$I) = '''' THEN NULL '
                'WHEN %1$I ~ ''^\s*[{\[]'' THEN %1$I ELSE ''{'' || %1$I || ''}'' END::jsonb'
              ELSE '%1$I::%2$s' END, column_name, wide)
    INTO kind, value
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = column_name WHERE c.oid = relation;
  PERFORM @extschema@.alter_under_views(relation,
    CASE kind WHEN 'f' THEN format('ALTER FOREIGN TABLE %s ALTER COLUMN %I TYPE %s', relation, column_name, wide)
         ELSE format('ALTER TABLE %s ALTER COLUMN %I TYPE %s USING %s', relation, column_name, wide, value) END);
END
$$;
COMMENT ON FUNCTION @extschema@.widen_column(regclass, name, regtype) IS
  'Gives a column of a foreign table or table a wider type. A table is rewritten, with all its partitions.';

CREATE FUNCTION @extschema@.widen_like(relation regclass, pattern regclass) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  wider record;
BEGIN
  FOR wider IN
    SELECT r.attname, p.atttypid::regtype AS data_type
      FROM pg_attribute r JOIN pg_attribute p ON p.attrelid = pattern AND p.attname = r.attname
     WHERE r.attrelid = relation AND r.attnum > 0 AND p.attnum > 0 AND NOT r.attisdropped
       AND @extschema@.is_wider(r.atttypid, p.atttypid) ORDER BY r.attnum LOOP
    PERFORM @extschema@.widen_column(relation, wider.attname, wider.data_type);
  END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.widen_like(regclass, regclass) IS
  'Widens every column of a table that is narrower than the column of the same name elsewhere.';

CREATE FUNCTION @extschema@.check_types(source @extschema@.sources) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ft regclass := format('@extschema@.%I', source.foreign_table)::regclass;
  parent regclass := format('@extschema@.%I', source.raw_table)::regclass;
  different text;
BEGIN
  -- Somebody widened the raw table by hand.
  PERFORM @extschema@.widen_like(ft, parent);
  SELECT string_agg(format('ALTER TABLE %s ALTER COLUMN %I TYPE %s', parent, f.attname,
                           format_type(f.atttypid, f.atttypmod)), '; ') INTO different
    FROM pg_attribute f JOIN pg_attribute r ON r.attname = f.attname AND NOT r.attisdropped
   WHERE f.attrelid = ft AND f.attnum > 0 AND NOT f.attisdropped
     AND r.attrelid = parent AND r.attnum > 0
     AND (r.atttypid, r.atttypmod) <> (f.atttypid, f.atttypmod)
     AND NOT @extschema@.is_wider(r.atttypid, f.atttypid);
  IF different IS NOT NULL THEN
    RAISE EXCEPTION 'columns of "%" and "%" have different types', source.foreign_table, source.raw_table
      USING ERRCODE = 'datatype_mismatch', HINT = different || '.';
  END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.check_types(@extschema@.sources) IS
  'Refuses a raw table whose columns cannot be widened to the foreign table''s; they were altered by hand.';

CREATE FUNCTION @extschema@.note_columns(source text, month date) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  -- This month, and the one after it, whose month before this is.
  WITH neighbours AS (
    SELECT p.later, (SELECT max(c.billing_period) FROM @extschema@.month_columns c
                      WHERE c.source_name = source AND c.billing_period < p.later) AS earlier
      FROM (SELECT month AS later
            UNION ALL SELECT min(c.billing_period) FROM @extschema@.month_columns c
                       WHERE c.source_name = source AND c.billing_period > month) p),
  differences AS (
    SELECT n.later AS billing_period, c.change, c.column_name, c.file_column
      FROM neighbours n, LATERAL (
        SELECT 'added' AS change, l.column_name, l.file_column, l."position" FROM @extschema@.month_columns l
         WHERE l.source_name = source AND l.billing_period = n.later
           AND NOT EXISTS (SELECT FROM @extschema@.month_columns e
                            WHERE e.source_name = source AND e.billing_period = n.earlier AND e.file_column = l.file_column)
        UNION ALL
        SELECT 'gone', e.column_name, e.file_column, e."position" FROM @extschema@.month_columns e
         WHERE e.source_name = source AND e.billing_period = n.earlier
           AND NOT EXISTS (SELECT FROM @extschema@.month_columns l
                            WHERE l.source_name = source AND l.billing_period = n.later AND l.file_column = e.file_column)) c
     WHERE n.earlier IS NOT NULL ORDER BY c.change, c."position"),
  outdated AS (
    DELETE FROM @extschema@.schema_changes s USING neighbours n
     WHERE s.source_name = source AND s.billing_period = n.later AND s.change <> 'widened'
       AND NOT EXISTS (SELECT FROM differences d WHERE d.billing_period = s.billing_period
                          AND d.change = s.change AND d.file_column = s.file_column))
  INSERT INTO @extschema@.schema_changes (source_name, billing_period, change, column_name, file_column, data_type)
  SELECT source, d.billing_period, d.change, d.column_name, d.file_column, pg_catalog.format_type(a.atttypid, NULL)
    FROM differences d
    JOIN @extschema@.sources x ON x.name = source
    LEFT JOIN pg_attribute a ON a.attrelid = pg_catalog.to_regclass(pg_catalog.format('@extschema@.%I', x.foreign_table))
                            AND a.attname = d.column_name AND NOT a.attisdropped
   WHERE NOT EXISTS (SELECT FROM @extschema@.schema_changes s
                      WHERE s.source_name = source AND s.billing_period = d.billing_period
                        AND s.change = d.change AND s.file_column = d.file_column)
$$;
COMMENT ON FUNCTION @extschema@.note_columns(text, date) IS
  'Brings schema_changes in line with month_columns for a month and the next one that was read. Months are read newest first, so what a month lacks may have come later.';

CREATE FUNCTION @extschema@.follow_columns(source @extschema@.sources, month date, alone boolean DEFAULT true) RETURNS text
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ft regclass := format('@extschema@.%I', source.foreign_table)::regclass;
  positions integer[] := '{}';
  columns text[] := '{}';
  file_columns text[] := '{}';
  c record;
BEGIN
  FOR c IN SELECT x.*, format_type(a.atttypid, NULL) AS old_type
             FROM @extschema@.export_columns(ft, month) x
             LEFT JOIN pg_attribute a ON a.attrelid = ft AND a.attname = x.column_name AND NOT a.attisdropped
            ORDER BY x."position" LOOP
    IF c.change IS NOT NULL AND NOT alone THEN
      RAISE EXCEPTION 'columns changed' USING ERRCODE = 'CF002';
    ELSIF c.change = 'added' THEN
      EXECUTE format('ALTER FOREIGN TABLE %s ADD COLUMN %I %s %s', ft, c.column_name, c.data_type,
        CASE WHEN c.column_name <> c.file_column THEN format('OPTIONS (column_name %L)', c.file_column) ELSE '' END);
    ELSIF c.change = 'widened' THEN
      PERFORM @extschema@.widen_column(ft, c.column_name, c.data_type::regtype);
      INSERT INTO @extschema@.schema_changes (source_name, billing_period, change, column_name, file_column, data_type, old_type)
      VALUES (source.name, month, 'widened', c.column_name, c.file_column, c.data_type, c.old_type);
    END IF;
    positions := array_append(positions, c."position");
    columns := array_append(columns, c.column_name);
    file_columns := array_append(file_columns, c.file_column);
  END LOOP;
  INSERT INTO @extschema@.month_columns AS m (source_name, billing_period, "position", column_name, file_column)
  SELECT source.name, month, n.* FROM unnest(positions, columns, file_columns) n
  ON CONFLICT (source_name, billing_period, file_column) DO UPDATE SET "position" = EXCLUDED."position"
    WHERE m."position" <> EXCLUDED."position";
  DELETE FROM @extschema@.month_columns m
   WHERE m.source_name = source.name AND m.billing_period = month AND m.file_column <> ALL (file_columns);
  PERFORM @extschema@.note_columns(source.name, month);
  RETURN (SELECT string_agg(n || ' ' || change, ', ' ORDER BY change)
            FROM (SELECT s.change, count(*) AS n FROM @extschema@.schema_changes s
                   WHERE s.source_name = source.name AND s.at >= now() GROUP BY 1) changes);
END
$$;
COMMENT ON FUNCTION @extschema@.follow_columns(@extschema@.sources, date, boolean) IS
  'Gives a source''s foreign table the columns and types that a month needs, and records in month_columns and schema_changes what changed. Returns how many columns were added, gone and widened, NULL for none. Unless alone, raises CF002 instead of changing the foreign table, which would wait for months that are being loaded, and have its readers wait meanwhile.';
