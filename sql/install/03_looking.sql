-- Looking at a store before anything is loaded.
CREATE FUNCTION @extschema@.cost_test(server text)
  RETURNS TABLE ("check" text, ok boolean, detail text, hint text)
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cost_test_wrapper';
COMMENT ON FUNCTION @extschema@.cost_test(text) IS
  'Checks a server step by step: credentials, listing, newest manifest, one footer. Never raises for a failed check.';

CREATE FUNCTION @extschema@.cost_discover(server text, under text DEFAULT '')
  RETURNS TABLE (prefix text, format text, readable boolean, months bigint, first_month date, last_month date, files bigint, bytes numeric)
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cost_discover_wrapper';
COMMENT ON FUNCTION @extschema@.cost_discover(text, text) IS
  'The billing exports under a prefix of a server: one listing, and where folders do not tell the format, a look at a manifest or one file''s columns. Format unknown and readable false: tables that belong to no export, because nothing names their month or they stand in another export''s folder; they are left alone.';

CREATE FUNCTION @extschema@.foreign_table_sql(server text, prefix text, table_name text) RETURNS text
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'foreign_table_sql_wrapper';
COMMENT ON FUNCTION @extschema@.foreign_table_sql(text, text, text) IS
  'The CREATE FOREIGN TABLE statement for the one export a prefix means, with the columns of its newest month.';

CREATE FUNCTION @extschema@.export_root(server text, prefix text) RETURNS text
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'export_root_wrapper';
COMMENT ON FUNCTION @extschema@.export_root(text, text) IS
  'The root folder of the one export a prefix means.';

CREATE FUNCTION @extschema@.export_months(foreign_table regclass, known text[] DEFAULT '{}',
    since date DEFAULT NULL, until date DEFAULT NULL, months integer DEFAULT NULL, keep integer DEFAULT NULL)
  RETURNS TABLE (billing_period date, fingerprint text, manifest_id text, files bigint, bytes numeric, problem text, kept boolean)
  LANGUAGE c AS 'MODULE_PATHNAME', 'export_months_wrapper';
COMMENT ON FUNCTION @extschema@.export_months(regclass, text[], date, date, integer, integer) IS
  'The months of a foreign table''s export, newest first: the newest so many of those in a range. kept is false for months older than keep calendar months, counted from the export''s newest. The manifest is read only for months that are kept and whose fingerprint is not among the known ones; problem says why a month cannot be read.';

CREATE FUNCTION @extschema@.export_columns(foreign_table regclass, billing_period date)
  RETURNS TABLE ("position" integer, column_name text, file_column text, data_type text, change text)
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'export_columns_wrapper';
COMMENT ON FUNCTION @extschema@.export_columns(regclass, date) IS
  'The columns of a month''s files, read from the footers, as the foreign table is to have them. change says what that takes: added, widened, or NULL for nothing.';

CREATE FUNCTION @extschema@.load_month(foreign_table regclass, billing_period date, target regclass)
  RETURNS TABLE (rows bigint, files bigint, bytes numeric, unblended numeric, fingerprint text, manifest_id text)
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'load_month_wrapper';
COMMENT ON FUNCTION @extschema@.load_month(regclass, date, regclass) IS
  'Inserts every row of a month into an empty plain table with the foreign table''s columns and sync_timestamp. unblended is the exact decimal sum of what the files bill, AWS''s unblended cost and what others have in its place; 0 of an export that is no bill.';

CREATE FUNCTION @extschema@.exact_numeric(value double precision) RETURNS numeric
  LANGUAGE c STRICT IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'exact_numeric_wrapper';
COMMENT ON FUNCTION @extschema@.exact_numeric(double precision) IS
  'The decimal a double prints as (shortest round trip). A cast would round to 15 digits.';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA @extschema@ FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.exact_numeric(double precision) TO cost_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA @extschema@ TO cost_admin;
