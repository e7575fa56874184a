-- What \d+ says of the columns that are not explained where their tables are made.
COMMENT ON COLUMN @extschema@.sources.name IS 'The source''s name; cost_sync(source) takes it.';
COMMENT ON COLUMN @extschema@.sources.server IS 'Name of the foreign server over the bucket.';
COMMENT ON COLUMN @extschema@.sources.cloud_provider IS 'Whose export it is by its format: aws, azure, gcp or other.';
COMMENT ON COLUMN @extschema@.sources.added_at IS 'When cost_add_source() made it.';

COMMENT ON COLUMN @extschema@.manifests.id IS 'Number of the delivery in this database.';
COMMENT ON COLUMN @extschema@.manifests.source_name IS 'The source, as in sources.';
COMMENT ON COLUMN @extschema@.manifests.billing_period IS 'First day of the month.';
COMMENT ON COLUMN @extschema@.manifests.state IS 'Where the delivery stands: loading while a session works on it, staged while its table waits for readers, then loaded, until it is superseded by the next one or dropped as too old; failed with the error beside it.';
COMMENT ON COLUMN @extschema@.manifests.files IS 'Data files of the delivery; NULL before it was planned.';
COMMENT ON COLUMN @extschema@.manifests.bytes IS 'Bytes of these files.';
COMMENT ON COLUMN @extschema@.manifests.rows IS 'Rows that were loaded; NULL before.';
COMMENT ON COLUMN @extschema@.manifests.error IS 'Why it failed the last time; NULL when it did not.';
COMMENT ON COLUMN @extschema@.manifests.discovered_at IS 'When it was first seen.';
COMMENT ON COLUMN @extschema@.manifests.started_at IS 'When its last load began; NULL before.';
COMMENT ON COLUMN @extschema@.manifests.loaded_at IS 'When it was swapped in; NULL before.';

COMMENT ON COLUMN @extschema@.sync_log.id IS 'Number of the entry.';
COMMENT ON COLUMN @extschema@.sync_log.sync_timestamp IS 'When it was written, at the end of the month''s load.';
COMMENT ON COLUMN @extschema@.sync_log.source_name IS 'The source; it may have been removed since.';
COMMENT ON COLUMN @extschema@.sync_log.rows_loaded IS 'Rows of the month; 0 when it failed or was dropped.';
COMMENT ON COLUMN @extschema@.sync_log.status IS 'loaded, staged, failed or dropped.';
COMMENT ON COLUMN @extschema@.sync_log.error_message IS 'Why it failed; otherwise NULL.';
COMMENT ON COLUMN @extschema@.sync_log.duration_seconds IS 'How long the month took, in seconds.';
COMMENT ON COLUMN @extschema@.sync_log.bytes IS 'Bytes of the month''s files; NULL when unknown.';
COMMENT ON COLUMN @extschema@.sync_log.billing_period IS 'First day of the month; NULL when the source itself could not be listed.';
COMMENT ON COLUMN @extschema@.sync_log.manifest_id IS 'As in manifests; NULL without a manifest.';

COMMENT ON COLUMN @extschema@.schema_changes.id IS 'Number of the change.';
COMMENT ON COLUMN @extschema@.schema_changes.at IS 'When it was found.';
COMMENT ON COLUMN @extschema@.schema_changes.source_name IS 'The source; it may have been removed since.';
COMMENT ON COLUMN @extschema@.schema_changes.billing_period IS 'First day of the month that has the column, lacks it, or needs the wider type.';
COMMENT ON COLUMN @extschema@.schema_changes.change IS 'added or gone, compared with the last month before it that was read; widened, compared with the foreign table.';
COMMENT ON COLUMN @extschema@.schema_changes.column_name IS 'Name in the foreign table and the raw table.';
COMMENT ON COLUMN @extschema@.schema_changes.file_column IS 'Name in the files.';

COMMENT ON COLUMN @extschema@.costs_daily.source_name IS 'The source, as in sources.';
COMMENT ON COLUMN @extschema@.costs_daily.billing_period IS 'First day of the month whose bill it is on.';
COMMENT ON COLUMN @extschema@.costs_daily.account_id IS 'The account that used it, else the one that pays.';
COMMENT ON COLUMN @extschema@.costs_daily.service IS 'The product''s name, else its code.';
COMMENT ON COLUMN @extschema@.costs_daily.invoice_month IS 'First day of the month on whose invoice it is: billing_period, but for Google''s late usage.';
COMMENT ON COLUMN @extschema@.costs_daily.cloud_provider IS 'aws, azure or gcp; of FOCUS exports the provider''s name.';
COMMENT ON COLUMN @extschema@.costs_daily.payer_account_id IS 'Who pays: AWS''s payer, Azure''s and Google''s billing account.';
COMMENT ON COLUMN @extschema@.costs_daily.account_name IS 'Its name in the export; NULL where that has none.';
COMMENT ON COLUMN @extschema@.costs_daily.service_code IS 'The service''s code, which its names change less than: for AWS the product code, which keeps data transfer with the service it belongs to.';
COMMENT ON COLUMN @extschema@.costs_daily.charge_category IS 'FOCUS''s: Usage, Purchase, Tax, Credit or Adjustment.';
COMMENT ON COLUMN @extschema@.costs_daily.charge_class IS 'FOCUS''s: Correction, for refunds; else NULL.';
COMMENT ON COLUMN @extschema@.costs_daily.charge_group IS 'What dashboards part bills into: Usage, Commitment (fees of reservations and savings plans), Fee, Marketplace, Support, Discount, Credit, Refund, Tax or Other.';
COMMENT ON COLUMN @extschema@.costs_daily.commitment_type IS 'Savings Plan, Reserved Instance or Reservation, where the charge is for one or is covered by one.';
COMMENT ON COLUMN @extschema@.costs_daily.invoice_id IS 'The provider''s invoice; NULL while there is none.';
COMMENT ON COLUMN @extschema@.costs_daily.invoice_issuer IS 'Who issues the invoice; NULL where the export does not say.';
COMMENT ON COLUMN @extschema@.costs_daily.seller IS 'Who sells; another than the provider in its marketplace. NULL where the export does not say.';
COMMENT ON COLUMN @extschema@.costs_daily.blended_cost IS 'At the organization''s average rates (AWS). It is not what is billed.';
COMMENT ON COLUMN @extschema@.costs_daily.net_cost IS 'After discounts of the contract; cost where the export tells them not apart.';
COMMENT ON COLUMN @extschema@.costs_daily.amortized_cost IS 'With fees of commitments spread over the usage they cover, and what of them is unused where the fee is. NULL where the export does not say: of Azure only amortized exports do, and those have no cost.';
COMMENT ON COLUMN @extschema@.costs_daily.net_amortized_cost IS 'amortized_cost after discounts of the contract.';
COMMENT ON COLUMN @extschema@.costs_daily.list_cost IS 'At public prices; NULL where the export does not say.';
COMMENT ON COLUMN @extschema@.costs_daily.ri_sp_trueup IS 'Minus what the month bears of upfront fees of reservations and savings plans (AWS); NULL for others.';
COMMENT ON COLUMN @extschema@.costs_daily.ri_sp_upfront_fees IS 'Upfront fees that were paid (AWS); NULL for others.';
COMMENT ON COLUMN @extschema@.costs_daily.line_item_type IS 'The provider''s own word: Usage, Tax, Credit, Refund, SavingsPlanNegation and so on.';
COMMENT ON COLUMN @extschema@.costs_daily.currency IS 'ISO 4217. Never sum across currencies.';
COMMENT ON COLUMN @extschema@.costs_daily.line_items IS 'Rows of the bill behind it.';
COMMENT ON COLUMN @extschema@.costs_daily.sync_timestamp IS 'When it was loaded.';

COMMENT ON COLUMN @extschema@.costs.account_name IS 'The account''s name in the export, else in accounts; NULL where it has none.';
COMMENT ON COLUMN @extschema@.costs.source_table IS 'The raw table with the original rows.';
COMMENT ON COLUMN @extschema@.sync_state.error IS 'Why it failed the last time; NULL when it did not.';

-- A view's columns mean what the table's do.
DO $$
DECLARE
  c record;
BEGIN
  FOR c IN
    SELECT v.attrelid::regclass AS view, v.attname, col_description(t.attrelid, t.attnum) AS meaning
      FROM (VALUES ('@extschema@.costs'::regclass, '@extschema@.costs_daily'::regclass),
                   ('@extschema@.fact_usage', '@extschema@.costs_daily'),
                   ('@extschema@.charges', '@extschema@.costs_daily'),
                   ('@extschema@.charges', '@extschema@.fact_usage'),
                   ('@extschema@.cost_identity', '@extschema@.costs_daily'),
                   ('@extschema@.sync_state', '@extschema@.manifests')) pairs (view, base)
      JOIN pg_attribute v ON v.attrelid = pairs.view AND v.attnum > 0
      JOIN pg_attribute t ON t.attrelid = pairs.base AND t.attname = v.attname
     WHERE col_description(v.attrelid, v.attnum) IS NULL AND col_description(t.attrelid, t.attnum) IS NOT NULL LOOP
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', c.view, c.attname, c.meaning);
  END LOOP;
END
$$;
