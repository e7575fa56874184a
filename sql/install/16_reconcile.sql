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
COMMENT ON COLUMN @extschema@.reconciliation.invoicing_entity IS 'Who issues the invoice (bill_invoicing_entity); NULL where the report does not say.';
COMMENT ON COLUMN @extschema@.reconciliation.legal_entity IS 'Who sells (line_item_legal_entity); NULL where the report does not say.';
COMMENT ON COLUMN @extschema@.reconciliation.line_item_type IS 'The provider''s own; NULL where the report does not say.';
COMMENT ON COLUMN @extschema@.reconciliation.currency IS 'As in costs. Never sum across currencies.';
COMMENT ON COLUMN @extschema@.reconciliation.billed IS 'Unblended cost, exact decimal.';
COMMENT ON COLUMN @extschema@.reconciliation.line_items IS 'Rows.';
COMMENT ON COLUMN @extschema@.reconciliation.without_invoice IS 'Rows among them that lack an invoice id.';
COMMENT ON COLUMN @extschema@.reconciliation.read_from IS 'The relation that was read: the raw table where it holds the month, else the foreign table.';

CREATE FUNCTION @extschema@.reconcile_sql(source @extschema@.sources, month date, in_raw boolean) RETURNS text
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass := format('@extschema@.%I', CASE WHEN in_raw THEN source.raw_table ELSE source.foreign_table END)::regclass;
  present text[] := (SELECT array_agg(a.attname) FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped);
  invoice text := CASE WHEN 'bill_invoice_id' = ANY (present) THEN 'nullif(bill_invoice_id::text, '''')' ELSE 'NULL::text' END;
BEGIN
  RETURN format(
    'SELECT %L, billing_period, %s, %s, %s, %s, %s, %s, count(*), count(*) FILTER (WHERE %s IS NULL), %L
       FROM %s WHERE billing_period = %L AND %s GROUP BY 2, 3, 4, 5, 6, 7',
    source.name, invoice,
    CASE WHEN 'bill_invoicing_entity' = ANY (present) THEN 'nullif(bill_invoicing_entity::text, '''')' ELSE 'NULL::text' END,
    CASE WHEN 'line_item_legal_entity' = ANY (present) THEN 'nullif(line_item_legal_entity::text, '''')' ELSE 'NULL::text' END,
    CASE WHEN 'line_item_line_item_type' = ANY (present) THEN 'nullif(line_item_line_item_type::text, '''')' ELSE 'NULL::text' END,
    @extschema@.normalized_column_sql(relation, 'currency'),
    CASE WHEN 'line_item_unblended_cost' = ANY (present) THEN 'coalesce(sum(@extschema@.exact_numeric(line_item_unblended_cost)), 0)' ELSE 'NULL::numeric' END,
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
