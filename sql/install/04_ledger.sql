-- What is synced, and what became of it.
CREATE TABLE @extschema@.sources (
  name          text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  server        text NOT NULL,
  prefix        text NOT NULL,
  foreign_table text NOT NULL UNIQUE,
  raw_table     text NOT NULL UNIQUE,
  cloud_provider text NOT NULL DEFAULT 'aws',
  raw           boolean NOT NULL DEFAULT true,
  facts         boolean NOT NULL DEFAULT false,
  format        text,
  enabled       boolean NOT NULL DEFAULT true,
  filters       jsonb,
  months_to_keep integer CHECK (months_to_keep > 0),
  added_at      timestamptz NOT NULL DEFAULT now(),
  UNIQUE (server, prefix)
);
COMMENT ON TABLE @extschema@.sources IS 'The exports that cost_sync() loads; one row each, made by cost_add_source().';
COMMENT ON COLUMN @extschema@.sources.prefix IS 'The export''s root folder in the server''s bucket.';
COMMENT ON COLUMN @extschema@.sources.foreign_table IS 'Name, in this schema, of the foreign table over the export.';
COMMENT ON COLUMN @extschema@.sources.raw_table IS 'Name, in this schema, of the table its months are loaded into.';
COMMENT ON COLUMN @extschema@.sources.raw IS 'Whether original rows are stored; otherwise only costs_daily is kept.';
COMMENT ON COLUMN @extschema@.sources.facts IS 'Whether fact_usage and dim_resource are filled, too. Months loaded before get theirs with cost_sync(force => true).';
COMMENT ON COLUMN @extschema@.sources.format IS 'The export''s format as cost_discover names it; NULL: as its columns say.';
COMMENT ON COLUMN @extschema@.sources.filters IS 'Which line items are loaded, as accounts with their regions: {"111122223333": null, "444455556666": ["eu-west-1"]} loads all of the one account and one region of the other. "" among the regions stands for line items without one (tax, fees), "*" among the accounts for all others. NULL: everything. A change loads the months anew.';
COMMENT ON COLUMN @extschema@.sources.months_to_keep IS 'So many calendar months, counted from the newest, are loaded and kept; cost_sync() drops older ones. NULL: all.';
COMMENT ON COLUMN @extschema@.sources.enabled IS 'Whether cost_sync() without a source name loads it.';

CREATE TYPE @extschema@.manifest_state AS ENUM
  ('discovered', 'downloading', 'staged', 'loading', 'loaded', 'failed', 'superseded', 'dropped');
COMMENT ON TYPE @extschema@.manifest_state IS 'Where a delivery of a month stands.';

CREATE TABLE @extschema@.manifests (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source_name    text NOT NULL REFERENCES @extschema@.sources (name) ON UPDATE CASCADE ON DELETE CASCADE,
  billing_period date NOT NULL CHECK (extract(day FROM billing_period) = 1),
  fingerprint    text NOT NULL,
  manifest_id    text,
  state          @extschema@.manifest_state NOT NULL DEFAULT 'discovered',
  files          bigint,
  bytes          numeric,
  rows           bigint,
  unblended      numeric,
  filters        jsonb,
  staged_table   text,
  in_raw         boolean NOT NULL DEFAULT false,
  in_costs       boolean NOT NULL DEFAULT false,
  in_facts       boolean NOT NULL DEFAULT false,
  amortized      numeric,
  identity_difference numeric,
  error          text,
  discovered_at  timestamptz NOT NULL DEFAULT now(),
  started_at     timestamptz,
  loaded_at      timestamptz,
  UNIQUE (source_name, billing_period, fingerprint)
);
CREATE UNIQUE INDEX manifests_one_loaded ON @extschema@.manifests (source_name, billing_period) WHERE state = 'loaded';
CREATE UNIQUE INDEX manifests_one_in_costs ON @extschema@.manifests (source_name, billing_period) WHERE in_costs;
COMMENT ON TABLE @extschema@.manifests IS 'Every delivery of every month that was seen, with its totals. At most one per month is loaded.';
COMMENT ON COLUMN @extschema@.manifests.fingerprint IS 'ETag of the manifest; without a manifest, the ETags of the listed files.';
COMMENT ON COLUMN @extschema@.manifests.manifest_id IS 'The delivery''s id in its manifest: assemblyId or executionId of AWS, runId of Azure; NULL when the month has no manifest and the listing is used.';
COMMENT ON COLUMN @extschema@.manifests.unblended IS 'Exact decimal sum of the unblended cost of every row, as read from the files, over all currencies.';
COMMENT ON COLUMN @extschema@.manifests.filters IS 'The source''s filters when it was loaded; rows and unblended are of what they let through.';
COMMENT ON COLUMN @extschema@.manifests.in_raw IS 'Whether the raw table holds this delivery.';
COMMENT ON COLUMN @extschema@.manifests.in_costs IS 'Whether costs_daily holds this delivery, as these filters let it through.';
COMMENT ON COLUMN @extschema@.manifests.in_facts IS 'Whether fact_usage holds this delivery, be it as other filters let it through.';
COMMENT ON COLUMN @extschema@.manifests.amortized IS 'Exact sum of amortized_cost over all rows and currencies; NULL where the export has none.';
COMMENT ON COLUMN @extschema@.manifests.identity_difference IS 'amortized + true-up + upfront fees - unblended, of AWS bills: 0 but for rounding. cost_identity shows it by currency.';
COMMENT ON COLUMN @extschema@.manifests.staged_table IS 'The loaded table that waits for readers to let it be swapped in.';

CREATE TABLE @extschema@.sync_log (
  id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sync_timestamp   timestamptz NOT NULL DEFAULT clock_timestamp(),
  source_name      text NOT NULL,
  rows_loaded      bigint NOT NULL DEFAULT 0,
  status           text NOT NULL,
  error_message    text,
  duration_seconds double precision,
  bytes            numeric,
  billing_period   date,
  manifest_id      text
);
COMMENT ON TABLE @extschema@.sync_log IS 'One row per month and run of cost_sync(): loaded, staged, failed or dropped.';

CREATE TABLE @extschema@.schema_changes (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at             timestamptz NOT NULL DEFAULT clock_timestamp(),
  source_name    text NOT NULL,
  billing_period date NOT NULL,
  change         text NOT NULL CHECK (change IN ('added', 'gone', 'widened')),
  column_name    text NOT NULL,
  file_column    text NOT NULL,
  data_type      text,
  old_type       text
);
COMMENT ON TABLE @extschema@.schema_changes IS 'How the columns of a month differ from those of the month before it, as far as both were read: added or gone; and columns whose type had to be widened to hold a month.';
COMMENT ON COLUMN @extschema@.schema_changes.data_type IS 'Its type in the foreign table, for widened the new one.';
COMMENT ON COLUMN @extschema@.schema_changes.old_type IS 'Its type before it was widened; otherwise NULL.';

CREATE TABLE @extschema@.costs_daily (
  source_name    text NOT NULL,
  billing_period date NOT NULL,
  date           date NOT NULL,
  invoice_month  date NOT NULL,
  cloud_provider text NOT NULL,
  payer_account_id text,
  account_id     text NOT NULL,
  account_name   text,
  service        text NOT NULL,
  service_code   text,
  region         text,
  line_item_type text NOT NULL,
  charge_category text NOT NULL,
  charge_class   text,
  charge_group   text NOT NULL,
  commitment_type text,
  currency       text NOT NULL,
  invoice_id     text,
  invoice_issuer text,
  seller         text,
  cost           numeric NOT NULL,
  blended_cost   numeric,
  net_cost       numeric,
  amortized_cost numeric,
  net_amortized_cost numeric,
  list_cost      numeric,
  ri_sp_trueup   numeric,
  ri_sp_upfront_fees numeric,
  line_items     bigint NOT NULL,
  sync_timestamp timestamptz NOT NULL,
  "time"         timestamptz GENERATED ALWAYS AS (date::timestamp AT TIME ZONE 'UTC') STORED
);
CREATE INDEX costs_daily_month ON @extschema@.costs_daily (source_name, billing_period);
CREATE INDEX costs_daily_date ON @extschema@.costs_daily (date);
COMMENT ON TABLE @extschema@.costs_daily IS 'Costs per day, account, service, region, kind of charge, invoice and currency: what costs reads. normalization_sql(source) is the query that fills it.';
COMMENT ON COLUMN @extschema@.costs_daily.date IS 'UTC day of usage.';
COMMENT ON COLUMN @extschema@.costs_daily.cost IS 'Unblended cost, the cash view: its sum over all rows of a bill is the invoice. Exact decimal.';
COMMENT ON COLUMN @extschema@.costs_daily.region IS 'NULL where the provider names none, as for tax.';
COMMENT ON COLUMN @extschema@.costs_daily."time" IS 'Midnight UTC of date, for Grafana.';

-- So that pg_dump keeps them. Raw tables are no members of the extension, and are dumped as they are.
SELECT pg_catalog.pg_extension_config_dump('@extschema@.sources', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.manifests', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.sync_log', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.schema_changes', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.costs_daily', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.manifests_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.sync_log_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.schema_changes_id_seq', '');

GRANT SELECT ON @extschema@.sources, @extschema@.manifests, @extschema@.sync_log,
  @extschema@.schema_changes, @extschema@.costs_daily TO cost_reader;
GRANT INSERT, UPDATE, DELETE ON @extschema@.sources, @extschema@.manifests, @extschema@.sync_log,
  @extschema@.schema_changes, @extschema@.costs_daily TO cost_admin;
