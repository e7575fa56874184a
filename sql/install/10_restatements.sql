-- How a month changed when it was delivered anew.
CREATE TABLE @extschema@.restated_costs (
  source_name     text NOT NULL REFERENCES @extschema@.sources (name) ON UPDATE CASCADE ON DELETE CASCADE,
  billing_period  date NOT NULL,
  restated_at     timestamptz NOT NULL,
  old_manifest_id text NOT NULL,
  new_manifest_id text NOT NULL,
  account_id      text NOT NULL,
  service         text NOT NULL,
  currency        text NOT NULL,
  old_cost        numeric NOT NULL DEFAULT 0,
  new_cost        numeric NOT NULL DEFAULT 0,
  PRIMARY KEY (source_name, billing_period, restated_at, account_id, service, currency)
);
COMMENT ON TABLE @extschema@.restated_costs IS 'What a replaced delivery and the one after it came to, by account, service and currency; unchanged ones, too, so that old_cost sums to the whole old delivery. restatements shows the differences.';
COMMENT ON COLUMN @extschema@.restated_costs.source_name IS 'The source, as in sources.';
COMMENT ON COLUMN @extschema@.restated_costs.billing_period IS 'First day of the month.';
COMMENT ON COLUMN @extschema@.restated_costs.restated_at IS 'Start of the transaction that replaced the old delivery in costs_daily.';
COMMENT ON COLUMN @extschema@.restated_costs.old_manifest_id IS 'The id of the replaced delivery in its manifest; without a manifest, its fingerprint.';
COMMENT ON COLUMN @extschema@.restated_costs.new_manifest_id IS 'The same of the delivery that replaced it.';
COMMENT ON COLUMN @extschema@.restated_costs.account_id IS 'As in costs.';
COMMENT ON COLUMN @extschema@.restated_costs.service IS 'As in costs.';
COMMENT ON COLUMN @extschema@.restated_costs.currency IS 'As in costs. Never sum across currencies.';
COMMENT ON COLUMN @extschema@.restated_costs.old_cost IS 'Unblended cost in the replaced delivery, exact decimal; 0 when it had no such line items.';
COMMENT ON COLUMN @extschema@.restated_costs.new_cost IS 'Unblended cost in the delivery that replaced it, exact decimal; 0 when it has no such line items.';

CREATE VIEW @extschema@.restatements WITH (security_invoker = true) AS
SELECT r.source_name, r.billing_period, r.restated_at, r.old_manifest_id, r.new_manifest_id,
       r.account_id, r.service, r.currency, r.old_cost, r.new_cost, r.new_cost - r.old_cost AS difference
  FROM @extschema@.restated_costs r
 WHERE r.new_cost <> r.old_cost;
COMMENT ON VIEW @extschema@.restatements IS 'How a month changed, when, and by which delivery: one row per account, service and currency whose cost is another than in the delivery before.';
COMMENT ON COLUMN @extschema@.restatements.source_name IS 'The source, as in sources.';
COMMENT ON COLUMN @extschema@.restatements.billing_period IS 'First day of the month.';
COMMENT ON COLUMN @extschema@.restatements.restated_at IS 'When the old delivery was replaced in costs.';
COMMENT ON COLUMN @extschema@.restatements.old_manifest_id IS 'The id of the replaced delivery in its manifest; without a manifest, its fingerprint.';
COMMENT ON COLUMN @extschema@.restatements.new_manifest_id IS 'The same of the delivery that replaced it.';
COMMENT ON COLUMN @extschema@.restatements.account_id IS 'As in costs.';
COMMENT ON COLUMN @extschema@.restatements.service IS 'As in costs.';
COMMENT ON COLUMN @extschema@.restatements.currency IS 'As in costs. Never sum across currencies.';
COMMENT ON COLUMN @extschema@.restatements.old_cost IS 'Unblended cost before; 0 when there was none.';
COMMENT ON COLUMN @extschema@.restatements.new_cost IS 'Unblended cost after; 0 when there is none.';
COMMENT ON COLUMN @extschema@.restatements.difference IS 'new_cost - old_cost.';

-- Called before and after a month is replaced in costs_daily; the second call finds the first one's
-- rows by the transaction's start.
CREATE FUNCTION @extschema@.note_restatement(delivery @extschema@.manifests, replaced boolean) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO @extschema@.restated_costs AS r
    (source_name, billing_period, restated_at, old_manifest_id, new_manifest_id, account_id, service, currency, old_cost, new_cost)
  SELECT delivery.source_name, delivery.billing_period, now(),
         coalesce(old.manifest_id, old.fingerprint), coalesce(delivery.manifest_id, delivery.fingerprint),
         d.account_id, d.service, d.currency,
         CASE WHEN replaced THEN 0 ELSE sum(d.cost) END, CASE WHEN replaced THEN sum(d.cost) ELSE 0 END
    FROM @extschema@.manifests old
    JOIN @extschema@.costs_daily d ON d.source_name = old.source_name AND d.billing_period = old.billing_period
   -- Another delivery under the same rules: a month loaded anew with other filters was not restated.
   WHERE old.source_name = delivery.source_name AND old.billing_period = delivery.billing_period
     AND old.in_costs AND old.id <> delivery.id AND old.filters IS NOT DISTINCT FROM delivery.filters
   GROUP BY old.manifest_id, old.fingerprint, d.account_id, d.service, d.currency
  ON CONFLICT (source_name, billing_period, restated_at, account_id, service, currency)
    DO UPDATE SET new_cost = EXCLUDED.new_cost
$$;
COMMENT ON FUNCTION @extschema@.note_restatement(@extschema@.manifests, boolean) IS
  'Notes by account, service and currency what costs_daily has of the delivery that this one replaces (replaced => false), then what it has of this one.';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.restated_costs', '');
GRANT SELECT ON @extschema@.restated_costs, @extschema@.restatements TO cost_reader;
GRANT INSERT, UPDATE, DELETE ON @extschema@.restated_costs TO cost_admin;
