-- The way in, as the documentation tells it. Run by tests/it/front_door.rs, which sets the
-- variables endpoint, access_key and secret.

CREATE EXTENSION cur_fdw;
SELECT extversion IS NOT NULL AS installed, extrelocatable FROM pg_extension WHERE extname = 'cur_fdw';

-- Every object of the extension says what it is.
SELECT pg_describe_object(d.classid, d.objid, 0) AS object_without_comment
  FROM pg_depend d
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cur_fdw')
   AND obj_description(d.objid, d.classid::regclass::name) IS NULL
   AND NOT EXISTS (SELECT FROM pg_type t WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid
                      AND (t.typrelid <> 0 OR t.typelem <> 0)) -- they come with a table
   AND NOT EXISTS (SELECT FROM pg_class c WHERE d.classid = 'pg_class'::regclass AND c.oid = d.objid
                      AND c.relkind NOT IN ('r', 'v'))
 ORDER BY 1;

-- So does every column of its tables and views.
SELECT a.attrelid::regclass AS relation, a.attname AS column_without_comment
  FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.objid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v', 'c')
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.classid = 'pg_class'::regclass
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cur_fdw')
   AND col_description(a.attrelid, a.attnum) IS NULL
 ORDER BY 1, a.attnum;

-- Nothing is granted to PUBLIC.
SELECT object FROM (
  SELECT oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc
   WHERE pronamespace = 'cost_analytics'::regnamespace
  UNION ALL
  SELECT oid::regclass::text, coalesce(relacl, acldefault('r', relowner)) FROM pg_class
   WHERE relnamespace = 'cost_analytics'::regnamespace AND relkind <> 'i'
  UNION ALL
  SELECT nspname, coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE nspname = 'cost_analytics'
  UNION ALL
  SELECT fdwname, coalesce(fdwacl, acldefault('F', fdwowner)) FROM pg_foreign_data_wrapper WHERE fdwname = 'cur_fdw'
) AS objects (object, acl), aclexplode(acl) a
 WHERE a.grantee = 0 ORDER BY 1;

\d cost_analytics.costs

-- A server, and who we are there.
CREATE SERVER billing FOREIGN DATA WRAPPER cur_fdw
  OPTIONS (url 's3://front-door', endpoint :'endpoint', allow_http 'true', region 'eu-west-2');
CREATE USER MAPPING FOR CURRENT_USER SERVER billing
  OPTIONS (access_key_id :'access_key', secret_access_key :'secret');
SELECT * FROM cost_analytics.cost_test('billing');
SELECT * FROM cost_analytics.cost_discover('billing');
SELECT prefix FROM cost_analytics.cost_discover('billing', 'ca/');

-- Foreign tables: query in place, nothing loaded.
CREATE SCHEMA bills;
IMPORT FOREIGN SCHEMA "cup" LIMIT TO (no_such_report) FROM SERVER billing INTO bills;
IMPORT FOREIGN SCHEMA "cup" EXCEPT (cup_cost_usage_report) FROM SERVER billing INTO bills;
SELECT count(*) AS tables FROM information_schema.foreign_tables WHERE foreign_table_schema = 'bills';
IMPORT FOREIGN SCHEMA "cup/CUP-Cost-Usage-Report" FROM SERVER billing INTO bills;
IMPORT FOREIGN SCHEMA "ca" LIMIT TO (ca_cost_usage_report) FROM SERVER billing INTO bills;
SELECT t.foreign_table_name, o.option_value AS prefix
  FROM information_schema.foreign_tables t JOIN information_schema.foreign_table_options o
       USING (foreign_table_schema, foreign_table_name)
 WHERE t.foreign_table_schema = 'bills' ORDER BY 1;
SELECT column_name, data_type FROM information_schema.columns
 WHERE table_schema = 'bills' AND table_name = 'cup_cost_usage_report'
   AND column_name ~ '^(bill_|billing_period|year|month|line_item_u)' ORDER BY ordinal_position;

SET search_path = bills;
SELECT billing_period, year, month, count(*), count(*) FILTER (WHERE bill_invoice_id = '') AS empty,
       round(sum(line_item_unblended_cost)::numeric, 6) AS cost
  FROM cup_cost_usage_report GROUP BY 1, 2, 3 ORDER BY 1;

-- A month is chosen before anything is opened, however it is written.
EXPLAIN (COSTS OFF) SELECT count(*) FROM cup_cost_usage_report;
EXPLAIN (COSTS OFF) SELECT count(*) FROM cup_cost_usage_report WHERE year = '2025' AND month = '10';
EXPLAIN (COSTS OFF) SELECT count(*) FROM cup_cost_usage_report WHERE billing_period = '2025-10-01';
EXPLAIN (COSTS OFF) SELECT count(*) FROM cup_cost_usage_report WHERE billing_period >= '2025-10-01' AND billing_period < date '2025-10-01' + interval '1 month';
EXPLAIN (COSTS OFF) SELECT count(*) FROM cup_cost_usage_report WHERE billing_period BETWEEN '2025-10-01' AND '2025-11-30';
EXPLAIN (COSTS OFF) SELECT count(*) FROM cup_cost_usage_report WHERE month IN ('9', '11');
EXPLAIN (COSTS OFF) SELECT count(*) FROM cup_cost_usage_report WHERE year = '1999';
EXPLAIN (VERBOSE, COSTS OFF) SELECT line_item_product_code FROM cup_cost_usage_report WHERE month = '9' AND line_item_unblended_cost > 1;

SELECT count(*) FROM cup_cost_usage_report;
SELECT count(*) FROM cup_cost_usage_report WHERE year = '2025' AND month = '10';
SELECT count(*) FROM cup_cost_usage_report WHERE billing_period = '2025-10-01';
SELECT count(*) FROM cup_cost_usage_report WHERE to_char(billing_period, 'YYYY-MM') = '2025-10';
SELECT count(*) FROM cup_cost_usage_report WHERE billing_period >= '2025-10-01' AND billing_period < date '2025-10-01' + interval '1 month';
SELECT count(*) FROM cup_cost_usage_report WHERE month IN ('9', '11');
SELECT count(*) FROM cup_cost_usage_report WHERE month = '09';
SELECT count(*) FROM cup_cost_usage_report WHERE month NOT IN ('9', '11') OR month IS NULL;
SELECT count(*) FROM cup_cost_usage_report WHERE year = '1999';
SELECT count(*) FROM cup_cost_usage_report
 WHERE line_item_usage_start_date >= date '2025-10-01' AND line_item_usage_start_date < date '2025-10-01' + 7;
SELECT line_item_usage_start_date::date AS day, count(*) FROM cup_cost_usage_report
 WHERE month = '10' GROUP BY 1 ORDER BY 1 LIMIT 3;

-- Of several tables, of itself, of none of its columns.
SELECT p.month, p.lines, c.lines AS ca_lines
  FROM (SELECT month, count(*) AS lines FROM cup_cost_usage_report GROUP BY 1) p
  JOIN (SELECT month, count(*) AS lines FROM ca_cost_usage_report GROUP BY 1) c USING (month)
 ORDER BY 1;
SELECT count(*) > 0 AS joined
  FROM cup_cost_usage_report a JOIN ca_cost_usage_report b
    ON a.line_item_product_code = b.line_item_product_code AND a.month = b.month
 WHERE a.month = '9' AND b.month = '9';
SELECT m.month, x.lines
  FROM (VALUES ('9'), ('10'), ('11'), ('12'), (NULL)) m (month),
       LATERAL (SELECT count(*) AS lines FROM cup_cost_usage_report r WHERE r.month = m.month) x;
SELECT m.period, x.lines
  FROM generate_series(timestamp '2025-08-01', '2025-11-01', '1 month') s, LATERAL (SELECT s::date AS period) m,
       LATERAL (SELECT count(*) AS lines FROM cup_cost_usage_report r WHERE r.billing_period = m.period) x;

-- The seventh execution has a generic plan.
PREPARE lines (text) AS SELECT count(*) FROM cup_cost_usage_report WHERE month = $1;
EXECUTE lines ('9');
EXECUTE lines ('10');
EXECUTE lines ('11');
EXECUTE lines ('9');
EXECUTE lines ('10');
EXECUTE lines ('11');
EXECUTE lines ('10');
SET plan_cache_mode = force_generic_plan;
EXECUTE lines ('9');
EXECUTE lines (NULL);
EXPLAIN (COSTS OFF) EXECUTE lines ('9');
RESET plan_cache_mode;
DEALLOCATE lines;

-- A cursor is left before its end.
BEGIN;
DECLARE lines CURSOR FOR SELECT month FROM cup_cost_usage_report WHERE month = '11';
FETCH 2 FROM lines;
MOVE 1000 FROM lines;
FETCH 1 FROM lines;
CLOSE lines;
COMMIT;

-- Foreign tables are read, not written.
DELETE FROM cup_cost_usage_report;
RESET search_path;

-- Sources: the prefix as users have it.
SELECT cost_analytics.cost_add_source('aws_cur_press', server => 'billing', prefix => 'cup/CUP-Cost-Usage-Report/CUP-Cost-Usage-Report/');
SELECT cost_analytics.cost_add_source('aws_cur_ca', 'billing', 'ca');
SELECT cost_analytics.cost_add_source('again', 'billing', 'cup/CUP-Cost-Usage-Report');
SELECT name, server, prefix, foreign_table, raw_table, cloud_provider, raw, enabled FROM cost_analytics.sources ORDER BY 1;
SELECT source_name, billing_period, manifest_id IS NOT NULL AS manifest, action, files, bytes > 0 AS bytes, why FROM cost_analytics.cost_plan();
SELECT source_name, billing_period, action FROM cost_analytics.cost_plan('aws_cur_press', months => 2);
SELECT source_name, billing_period, action FROM cost_analytics.cost_plan('aws_cur_press', since => '2025-10', until => '2025-10');
SELECT * FROM cost_analytics.cost_plan('no_such_source');

-- The sync; its NOTICEs have times in them.
SET client_min_messages = warning;
CALL cost_analytics.cost_sync(dry_run => true);
SELECT count(*) FROM cost_analytics.costs;
CALL cost_analytics.cost_sync('aws_cur_press', months => 1);
CALL cost_analytics.cost_sync();
RESET client_min_messages;

SELECT source_name, billing_period, action, why FROM cost_analytics.cost_plan();
SELECT source_name, billing_period, state, manifest_id IS NOT NULL AS manifest, files, bytes > 0 AS bytes, rows,
       round(unblended, 6) AS unblended, error, loaded_at >= started_at AS timed FROM cost_analytics.sync_state;
SELECT source_name, billing_period, rows_loaded, status, error_message FROM cost_analytics.sync_log ORDER BY id;
SELECT source_name, billing_period, change, column_name, data_type FROM cost_analytics.schema_changes ORDER BY id;

SELECT invoicing_entity, line_item_type, currency, sum(billed) AS billed, sum(line_items) AS lines, sum(without_invoice) AS without_invoice
  FROM cost_analytics.cost_reconcile('2025-09-01', 'aws_cur_ca') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT "check", ok FROM cost_analytics.cost_health() WHERE "check" <> 'transaction_timeout'; -- new in 17
SELECT cost_analytics.cost_schedule();

SELECT service, currency, sum(cost) FROM cost_analytics.costs GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT 5;
SELECT account_id, sum(cost) FROM cost_analytics.costs WHERE source_table = 'raw_aws_cur_ca' GROUP BY 1 ORDER BY 1;
SELECT date, sum(cost), sum(line_items) FROM cost_analytics.aws_cur_press_normalized
  JOIN LATERAL (SELECT 1 AS line_items) one ON true
 WHERE date < '2025-09-04' GROUP BY 1 ORDER BY 1;
SELECT cloud_provider, billing_period, line_item_type, sum(cost) AS cost, sum(line_items) AS lines
  FROM cost_analytics.costs WHERE source_name = 'aws_cur_ca' AND billing_period = '2025-09-01'
 GROUP BY 1, 2, 3 ORDER BY 3;
SELECT tableoid::regclass AS leaf, month, count(*) FROM cost_analytics.raw_aws_cur_press GROUP BY 1, 2 ORDER BY 1;
EXPLAIN (COSTS OFF) SELECT line_item_resource_id FROM cost_analytics.raw_aws_cur_press WHERE year = '2025' AND month = '10';

-- What was made since is not PUBLIC's either.
SELECT c.oid::regclass AS object FROM pg_class c, aclexplode(coalesce(relacl, acldefault('r', relowner))) a
 WHERE relnamespace = 'cost_analytics'::regnamespace AND relkind <> 'i' AND a.grantee = 0 ORDER BY 1;

SELECT cost_analytics.cost_remove_source('aws_cur_ca', drop_raw => true);
SELECT DISTINCT source_name FROM cost_analytics.costs;

-- Without the extension the loaded rows are still there; with it again, nothing is overwritten.
DROP EXTENSION cur_fdw;
SET client_min_messages = warning;
DROP EXTENSION cur_fdw CASCADE;
SELECT count(*) FROM cost_analytics.raw_aws_cur_press;
CREATE EXTENSION cur_fdw;
CREATE SERVER billing FOREIGN DATA WRAPPER cur_fdw
  OPTIONS (url 's3://front-door', endpoint :'endpoint', allow_http 'true', region 'eu-west-2');
CREATE USER MAPPING FOR CURRENT_USER SERVER billing
  OPTIONS (access_key_id :'access_key', secret_access_key :'secret');
SELECT cost_analytics.cost_add_source('aws_cur_press', 'billing', 'cup');
SELECT cost_analytics.cost_add_source('aws_cur_press', 'billing', 'cup', raw_table => 'raw_again');
CALL cost_analytics.cost_sync(since => '2025-11');
SELECT billing_period, count(*) FROM cost_analytics.raw_again GROUP BY 1;
