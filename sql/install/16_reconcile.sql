-- What was billed, as an accountant asks.
CREATE TYPE @extschema@.reconciliation AS (
  source_name          text,
  billing_period       date,
  invoice_id           text,
  invoicing_entity     text,
  legal_entity         text,
  line_item_type       text,
  currency             text,
  billed               numeric,
  line_items           bigint,
  without_invoice      bigint,
  read_from            text
);
COMMENT ON TYPE @extschema@.reconciliation IS 'A row of cost_reconcile().';
COMMENT ON COLUMN @extschema@.reconciliation.source_name IS 'The source, as in sources.';
COMMENT ON COLUMN @extschema@.reconciliation.billing_period IS 'First day of the month.';
COMMENT ON COLUMN @extschema@.reconciliation.invoice_id IS 'The provider''s invoice; NULL while there is none.';
COMMENT ON COLUMN @extschema@.reconciliation.invoicing_entity IS 'Who issues the invoice, for AWS bill_invoicing_entity; NULL where the report does not say.';
COMMENT ON COLUMN @extschema@.reconciliation.legal_entity IS 'Who sells, for AWS line_item_legal_entity; NULL where the report does not say.';
COMMENT ON COLUMN @extschema@.reconciliation.line_item_type IS 'The provider''s own, as in costs.';
COMMENT ON COLUMN @extschema@.reconciliation.currency IS 'As in costs. Never sum across currencies.';
COMMENT ON COLUMN @extschema@.reconciliation.billed IS 'cost as in costs, exact decimal.';
COMMENT ON COLUMN @extschema@.reconciliation.line_items IS 'Rows.';
COMMENT ON COLUMN @extschema@.reconciliation.without_invoice IS 'Rows among them that lack an invoice id.';
COMMENT ON COLUMN @extschema@.reconciliation.read_from IS 'The relation that was read: the raw table where it holds the month, else the foreign table.';

CREATE FUNCTION @extschema@.reconcile_sql(source @extschema@.sources, month date, in_raw boolean) RETURNS text
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass := format('@extschema@.%I', CASE WHEN in_raw THEN source.raw_table ELSE source.foreign_table END)::regclass;
  invoice text := @extschema@.normalized_column_sql(relation, 'invoice_id');
BEGIN
  RETURN format(
    'SELECT %L, billing_period, %s, %s, %s, %s, %s, %s, count(*), count(*) FILTER (WHERE %s IS NULL), %L
       FROM %s WHERE billing_period = %L AND %s GROUP BY 2, 3, 4, 5, 6, 7',
    source.name, invoice,
    @extschema@.normalized_column_sql(relation, 'invoice_issuer'),
    @extschema@.normalized_column_sql(relation, 'seller'),
    @extschema@.normalized_column_sql(relation, 'line_item_type'),
    @extschema@.normalized_column_sql(relation, 'currency'),
    @extschema@.normalized_column_sql(relation, 'cost', source.format),
    invoice, relation::text, relation, month, CASE WHEN in_raw THEN 'true' ELSE @extschema@.filter_sql(source.filters, relation) END);
END
$$;
COMMENT ON FUNCTION @extschema@.reconcile_sql(@extschema@.sources, date, boolean) IS
  'The query behind cost_reconcile() for one month, over the raw table or the foreign table, from the columns it has.';

CREATE FUNCTION @extschema@.cost_reconcile(billing_period date DEFAULT NULL, source text DEFAULT NULL)
  RETURNS SETOF @extschema@.reconciliation LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  month date := date_trunc('month', billing_period::timestamp)::date;
  s @extschema@.sources;
  m record;
BEGIN
  IF source IS NOT NULL AND NOT EXISTS (SELECT FROM @extschema@.sources x WHERE x.name = source) THEN
    RAISE EXCEPTION 'there is no source "%"', source
      USING ERRCODE = 'undefined_object', HINT = 'SELECT name FROM cost_analytics.sources; cost_add_source() adds one.';
  END IF;
  FOR s IN SELECT * FROM @extschema@.sources x WHERE source IS NULL OR x.name = source ORDER BY x.name LOOP
    FOR m IN SELECT x.billing_period, x.in_raw FROM @extschema@.manifests x
              WHERE x.source_name = s.name AND x.state = 'loaded' AND (month IS NULL OR x.billing_period = month)
             -- A month that is not loaded is read where it lies.
             UNION ALL
             SELECT month, false WHERE NOT EXISTS (
               SELECT FROM @extschema@.manifests x
                WHERE x.source_name = s.name AND x.state = 'loaded' AND x.billing_period = month) AND month IS NOT NULL
              ORDER BY 1 DESC LOOP
      RETURN QUERY EXECUTE @extschema@.reconcile_sql(s, m.billing_period, m.in_raw) || ' ORDER BY 3 NULLS FIRST, 4, 5, 6, 7';
    END LOOP;
  END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.cost_reconcile(date, text) IS
  'By invoice, entity, line item type and currency what a month was billed, newest first, and how many rows lack an invoice id; without a month all that are loaded. Reads the raw table, or the foreign table for months it does not hold; that needs cost_admin.';

-- Amortized costs must come to what was paid, but for what was paid at another time.
CREATE VIEW @extschema@.cost_identity WITH (security_invoker = true) AS
SELECT x.source_name, x.billing_period, x.currency, x.cost, x.amortized_cost, x.ri_sp_trueup, x.ri_sp_upfront_fees,
       x.amortized_cost + x.ri_sp_trueup + x.ri_sp_upfront_fees - x.cost AS difference, x.tolerance,
       abs(x.amortized_cost + x.ri_sp_trueup + x.ri_sp_upfront_fees - x.cost) <= x.tolerance AS holds
  FROM (SELECT d.source_name, d.billing_period, d.currency, sum(d.cost) AS cost, sum(d.amortized_cost) AS amortized_cost,
               sum(d.ri_sp_trueup) AS ri_sp_trueup, sum(d.ri_sp_upfront_fees) AS ri_sp_upfront_fees,
               -- AWS rounds the two parts of each line's effective cost to eight places.
               greatest(1e-6, 1e-8 * coalesce(sum(d.line_items) FILTER (WHERE d.commitment_type IS NOT NULL), 0)) AS tolerance
          FROM @extschema@.costs_daily d
         WHERE d.ri_sp_trueup IS NOT NULL
         GROUP BY 1, 2, 3) x;
COMMENT ON VIEW @extschema@.cost_identity IS
  'Of every AWS bill, whether amortized_cost + ri_sp_trueup + ri_sp_upfront_fees = cost. Where it does not hold, the report lacks columns of commitments, or AWS''s own figures do not add up.';
COMMENT ON COLUMN @extschema@.cost_identity.difference IS 'amortized_cost + ri_sp_trueup + ri_sp_upfront_fees - cost.';
COMMENT ON COLUMN @extschema@.cost_identity.tolerance IS 'A millionth, or what AWS''s rounding of so many lines of commitments can come to, 1e-8 each.';
COMMENT ON COLUMN @extschema@.cost_identity.holds IS 'Whether the difference is within the tolerance.';
GRANT SELECT ON @extschema@.cost_identity TO cost_reader;
