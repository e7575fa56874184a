-- The star: usage by day and resource, and what is known of the resources.
CREATE TABLE @extschema@.fact_usage (
  LIKE @extschema@.costs_daily,
  payer_account_name text,
  resource_id        text,
  usage_type         text,
  operation          text,
  availability_zone  text,
  region_name        text,
  sku_id             text,
  sku_price_id       text,
  pricing_category   text,
  charge_frequency   text,
  charge_description text,
  commitment_id      text,
  commitment_status  text,
  usage_unit         text,
  pricing_unit       text,
  pricing_currency   text,
  tags               jsonb NOT NULL,
  cost_categories    jsonb NOT NULL,
  contracted_cost    numeric,
  usage_amount       numeric,
  pricing_quantity   numeric,
  pricing_currency_effective_cost numeric
);
ALTER TABLE @extschema@.fact_usage DROP COLUMN "time";
CREATE INDEX fact_usage_month ON @extschema@.fact_usage (source_name, billing_period);
CREATE INDEX fact_usage_resource ON @extschema@.fact_usage (resource_id, date) WHERE resource_id IS NOT NULL;
COMMENT ON TABLE @extschema@.fact_usage IS 'Costs and usage per day and resource, of sources with facts = true: what costs_daily has, and resource, usage type, unit, SKU, commitment, tags.';
COMMENT ON COLUMN @extschema@.fact_usage.payer_account_name IS 'The paying account''s name; NULL where the export does not say.';
COMMENT ON COLUMN @extschema@.fact_usage.resource_id IS 'The provider''s: an id, an ARN or a path; NULL where the charge is for none.';
COMMENT ON COLUMN @extschema@.fact_usage.usage_type IS 'What was used, in the provider''s words.';
COMMENT ON COLUMN @extschema@.fact_usage.operation IS 'AWS''s operation, Azure''s meter subcategory.';
COMMENT ON COLUMN @extschema@.fact_usage.availability_zone IS 'NULL where there is none.';
COMMENT ON COLUMN @extschema@.fact_usage.region_name IS 'The region as people call it.';
COMMENT ON COLUMN @extschema@.fact_usage.sku_id IS 'What is sold.';
COMMENT ON COLUMN @extschema@.fact_usage.sku_price_id IS 'At which price of the price list.';
COMMENT ON COLUMN @extschema@.fact_usage.pricing_category IS 'Standard, Dynamic (spot), Committed or Other, as FOCUS has it; NULL for tax and credits.';
COMMENT ON COLUMN @extschema@.fact_usage.charge_frequency IS 'One-Time, Recurring or Usage-Based, as FOCUS has it.';
COMMENT ON COLUMN @extschema@.fact_usage.charge_description IS 'The line item''s description.';
COMMENT ON COLUMN @extschema@.fact_usage.commitment_id IS 'The savings plan or reservation that the charge is for or is covered by.';
COMMENT ON COLUMN @extschema@.fact_usage.commitment_status IS 'Used or Unused, for usage under a commitment.';
COMMENT ON COLUMN @extschema@.fact_usage.usage_unit IS 'The unit of usage_amount as the provider spells it. Never sum across units.';
COMMENT ON COLUMN @extschema@.fact_usage.pricing_unit IS 'The unit of pricing_quantity as the provider spells it: Google prices by the hour what it measures in seconds.';
COMMENT ON COLUMN @extschema@.fact_usage.pricing_currency IS 'The price list''s currency, ISO 4217; amounts are in currency.';
COMMENT ON COLUMN @extschema@.fact_usage.tags IS 'Tags or labels as keys and values; {} for untagged: a tag that is empty counts as none.';
COMMENT ON COLUMN @extschema@.fact_usage.cost_categories IS 'AWS''s cost categories; {} for none.';
COMMENT ON COLUMN @extschema@.fact_usage.contracted_cost IS 'What it would cost at the contract''s price, without commitments; NULL where the export does not say.';
COMMENT ON COLUMN @extschema@.fact_usage.usage_amount IS 'How much was used, exact decimal: of usage only, so that it is not counted again in negations and fees. NULL for other charges.';
COMMENT ON COLUMN @extschema@.fact_usage.pricing_quantity IS 'The quantity that was priced, of all charges, in pricing_unit; NULL where the export does not say.';
COMMENT ON COLUMN @extschema@.fact_usage.pricing_currency_effective_cost IS 'What it effectively costs, in pricing_currency; NULL where the export does not say. Azure''s actual and amortized exports each say a part, so that both together count all once.';

CREATE TABLE @extschema@.resource_months (
  source_name    text NOT NULL REFERENCES @extschema@.sources (name) ON UPDATE CASCADE ON DELETE CASCADE,
  billing_period date NOT NULL,
  account_id     text NOT NULL,
  resource_id    text NOT NULL,
  first_seen     date NOT NULL,
  last_seen      date NOT NULL,
  PRIMARY KEY (source_name, billing_period, account_id, resource_id)
);
CREATE INDEX resource_months_resource ON @extschema@.resource_months (source_name, account_id, resource_id);
COMMENT ON TABLE @extschema@.resource_months IS 'When resources were seen in each month: what dim_resource is kept right from when a month is delivered anew.';
COMMENT ON COLUMN @extschema@.resource_months.source_name IS 'The source, as in sources.';
COMMENT ON COLUMN @extschema@.resource_months.billing_period IS 'First day of the month.';
COMMENT ON COLUMN @extschema@.resource_months.account_id IS 'As in costs.';
COMMENT ON COLUMN @extschema@.resource_months.resource_id IS 'As in fact_usage.';
COMMENT ON COLUMN @extschema@.resource_months.first_seen IS 'First UTC day with a charge in that month''s bill.';
COMMENT ON COLUMN @extschema@.resource_months.last_seen IS 'Last UTC day with a charge in that month''s bill.';

CREATE TABLE @extschema@.dim_resource (
  source_name text NOT NULL REFERENCES @extschema@.sources (name) ON UPDATE CASCADE ON DELETE CASCADE,
  account_id  text NOT NULL,
  resource_id text NOT NULL,
  service     text NOT NULL,
  region      text,
  tags        jsonb NOT NULL,
  first_seen  date NOT NULL,
  last_seen   date NOT NULL,
  PRIMARY KEY (source_name, account_id, resource_id)
);
CREATE INDEX dim_resource_tags ON @extschema@.dim_resource USING gin (tags jsonb_path_ops);
COMMENT ON TABLE @extschema@.dim_resource IS 'Every resource of sources with facts = true, as of the last day it was seen.';
COMMENT ON COLUMN @extschema@.dim_resource.source_name IS 'The source, as in sources.';
COMMENT ON COLUMN @extschema@.dim_resource.account_id IS 'As in costs.';
COMMENT ON COLUMN @extschema@.dim_resource.resource_id IS 'As in fact_usage.';
COMMENT ON COLUMN @extschema@.dim_resource.service IS 'The service of its dearest charge on the last day it was seen.';
COMMENT ON COLUMN @extschema@.dim_resource.region IS 'Its region; NULL where the provider names none.';
COMMENT ON COLUMN @extschema@.dim_resource.tags IS 'Its tags on the last day it was seen; {} for untagged.';
COMMENT ON COLUMN @extschema@.dim_resource.first_seen IS 'First UTC day with a charge, in any month that was loaded with facts.';
COMMENT ON COLUMN @extschema@.dim_resource.last_seen IS 'Last UTC day with a charge.';

CREATE FUNCTION @extschema@.replace_month(target text, source text, month date, query text, expected numeric) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass := format('@extschema@.%I', target)::regclass;
  columns text := (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
                    WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                      AND a.attname NOT IN ('source_name', 'sync_timestamp'));
  total numeric;
BEGIN
  EXECUTE format('DELETE FROM %s WHERE source_name = %L AND billing_period = %L', relation, source, month);
  IF query IS NULL THEN
    RAISE NOTICE '% %: nothing in %, for the export has no column of what is billed', source, to_char(month, 'YYYY-MM'), target;
    total := 0;
  ELSE
    EXECUTE format(
      'WITH normalized AS MATERIALIZED (SELECT * FROM (%s) AS query WHERE billing_period = %L),
            kept AS (INSERT INTO %s (source_name, sync_timestamp, %s) SELECT %L, now(), %4$s FROM normalized)
       SELECT coalesce(sum(cost_in_files), 0) FROM normalized', query, month, relation, columns, source) INTO total;
  END IF;
  IF total IS DISTINCT FROM expected THEN
    RAISE EXCEPTION '% of source "%" for % sums to %, but the files to %', target, source, to_char(month, 'YYYY-MM'), total, expected
      USING ERRCODE = 'data_corrupted', HINT = 'Nothing was changed. Please report this with the export''s column list.';
  END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.replace_month(text, text, date, text, numeric) IS
  'Replaces a source''s month in costs_daily or fact_usage by what a query says; without a query, for an export that is no bill, by nothing. Refuses one whose rows come to another total than was read from the files.';

CREATE FUNCTION @extschema@.replace_facts(source @extschema@.sources, month date, relation regclass, condition text, expected numeric) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  forgotten boolean;
BEGIN
  IF source.facts THEN
    PERFORM @extschema@.replace_month('fact_usage', source.name, month, @extschema@.usage_sql(relation, source.format, condition), expected);
  ELSE
    DELETE FROM @extschema@.fact_usage f WHERE f.source_name = source.name AND f.billing_period = month;
  END IF;
  PERFORM @extschema@.lock_publishing(source);
  -- What this month says of resources, in the place of what it said before.
  WITH before AS (
    DELETE FROM @extschema@.resource_months r WHERE r.source_name = source.name AND r.billing_period = month
    RETURNING r.account_id, r.resource_id)
  UPDATE @extschema@.dim_resource d SET first_seen = rest.first_seen, last_seen = rest.last_seen
    FROM before b
    LEFT JOIN LATERAL (SELECT coalesce(min(r.first_seen), 'infinity') AS first_seen, coalesce(max(r.last_seen), '-infinity') AS last_seen
                         FROM @extschema@.resource_months r
                        WHERE r.source_name = source.name AND r.billing_period <> month
                          AND r.account_id = b.account_id AND r.resource_id = b.resource_id) rest ON true
   WHERE d.source_name = source.name AND d.account_id = b.account_id AND d.resource_id = b.resource_id;
  forgotten := FOUND;
  INSERT INTO @extschema@.resource_months (source_name, billing_period, account_id, resource_id, first_seen, last_seen)
  SELECT source.name, month, f.account_id, f.resource_id, min(f.date), max(f.date) FROM @extschema@.fact_usage f
   WHERE f.source_name = source.name AND f.billing_period = month AND f.resource_id IS NOT NULL
   GROUP BY f.account_id, f.resource_id;
  INSERT INTO @extschema@.dim_resource AS d (source_name, account_id, resource_id, service, region, tags, first_seen, last_seen)
  SELECT source.name, r.account_id, r.resource_id, l.service, l.region, l.tags, r.first_seen, r.last_seen
    FROM @extschema@.resource_months r
    JOIN (SELECT DISTINCT ON (f.account_id, f.resource_id) f.account_id, f.resource_id, f.service, f.region, f.tags
            FROM @extschema@.fact_usage f
           WHERE f.source_name = source.name AND f.billing_period = month AND f.resource_id IS NOT NULL
           ORDER BY f.account_id, f.resource_id, f.date DESC, f.tags DESC, f.cost DESC, f.service) l USING (account_id, resource_id)
   WHERE r.source_name = source.name AND r.billing_period = month
  ON CONFLICT (source_name, account_id, resource_id) DO UPDATE
    SET first_seen = least(d.first_seen, EXCLUDED.first_seen), last_seen = greatest(d.last_seen, EXCLUDED.last_seen),
        service = CASE WHEN EXCLUDED.last_seen >= d.last_seen THEN EXCLUDED.service ELSE d.service END,
        region = CASE WHEN EXCLUDED.last_seen >= d.last_seen THEN EXCLUDED.region ELSE d.region END,
        tags = CASE WHEN EXCLUDED.last_seen >= d.last_seen THEN EXCLUDED.tags ELSE d.tags END;
  IF forgotten THEN
    -- Only this month knew of them, and does no more.
    DELETE FROM @extschema@.dim_resource d WHERE d.source_name = source.name AND d.first_seen = 'infinity';
  END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.replace_facts(@extschema@.sources, date, regclass, text, numeric) IS
  'Replaces a month in fact_usage, resource_months and dim_resource; of a source without facts, takes it away.';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.fact_usage', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.resource_months', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.dim_resource', '');
GRANT SELECT ON @extschema@.fact_usage, @extschema@.resource_months, @extschema@.dim_resource TO cost_reader;
GRANT INSERT, UPDATE, DELETE ON @extschema@.fact_usage, @extschema@.resource_months, @extschema@.dim_resource TO cost_admin;
