-- One shape for every provider.
CREATE VIEW @extschema@.costs WITH (security_invoker = true) AS
SELECT d.date, d.account_id, d.service, d.region, d.cost, d.currency,
       d.cloud_provider, s.raw_table AS source_table, d.sync_timestamp,
       d.billing_period, d.line_item_type, d.line_items, d.source_name, d."time",
       coalesce(d.account_name, a.name) AS account_name,
       d.blended_cost, d.net_cost, d.amortized_cost, d.net_amortized_cost, d.list_cost,
       d.charge_category, d.charge_class, d.charge_group, d.commitment_type, d.service_code,
       d.payer_account_id, d.invoice_month, d.invoice_id, d.invoice_issuer, d.seller
  FROM @extschema@.costs_daily d
  JOIN @extschema@.sources s ON s.name = d.source_name
  LEFT JOIN @extschema@.accounts a ON a.account_id = d.account_id;
COMMENT ON VIEW @extschema@.costs IS 'Costs per day of all sources. cost is what is billed (unblended); credits and refunds are negative, tax is included. The other costs are other views of the same charges, never to be added to it. Never sum across currencies.';

CREATE VIEW @extschema@.sync_state WITH (security_invoker = true) AS
SELECT m.source_name, m.billing_period, m.state, m.manifest_id, m.files, m.bytes, m.rows,
       m.unblended, m.error, m.started_at, m.loaded_at
  FROM @extschema@.manifests m
 WHERE m.state <> 'superseded'
 ORDER BY m.source_name, m.billing_period DESC;
COMMENT ON VIEW @extschema@.sync_state IS 'The current delivery of every month.';

GRANT SELECT ON @extschema@.costs, @extschema@.sync_state TO cost_reader;
