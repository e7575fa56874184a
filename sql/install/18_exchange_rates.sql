-- Amounts in another currency.
CREATE TABLE @extschema@.exchange_rates (
  date     date NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  target   text NOT NULL CHECK (target ~ '^[A-Z]{3}$' AND target <> currency),
  rate     numeric NOT NULL CHECK (rate > 0),
  PRIMARY KEY (currency, target, date)
);
COMMENT ON TABLE @extschema@.exchange_rates IS 'What one unit of a currency is worth in another. Filled by hand or by a job of yours; cost_in() uses it.';
COMMENT ON COLUMN @extschema@.exchange_rates.date IS 'From this day on, until a later one of the pair.';
COMMENT ON COLUMN @extschema@.exchange_rates.currency IS 'ISO 4217.';
COMMENT ON COLUMN @extschema@.exchange_rates.target IS 'ISO 4217.';
COMMENT ON COLUMN @extschema@.exchange_rates.rate IS 'Units of target that one unit of currency is worth.';
SELECT pg_catalog.pg_extension_config_dump('@extschema@.exchange_rates', '');
GRANT SELECT ON @extschema@.exchange_rates TO cost_reader;
GRANT INSERT, UPDATE, DELETE ON @extschema@.exchange_rates TO cost_admin;

-- An error rather than NULL: a sum would leave the amount out, and nobody would see it.
CREATE FUNCTION @extschema@.cost_in(amount numeric, currency text, on_date date, target text) RETURNS numeric
  LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  converted numeric;
BEGIN
  IF currency = target THEN
    RETURN amount;
  END IF;
  -- The newest rate of the pair, whichever way round it was written.
  SELECT r.converted INTO converted FROM (
    (SELECT d.date, amount * d.rate AS converted, 1 AS choice FROM @extschema@.exchange_rates d
      WHERE d.currency = cost_in.currency AND d.target = cost_in.target AND d.date <= on_date ORDER BY d.date DESC LIMIT 1)
    UNION ALL
    (SELECT i.date, amount / i.rate, 2 FROM @extschema@.exchange_rates i
      WHERE i.currency = cost_in.target AND i.target = cost_in.currency AND i.date <= on_date ORDER BY i.date DESC LIMIT 1)) r
   ORDER BY r.date DESC, r.choice LIMIT 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no exchange rate from % to % for %', currency, target, on_date
      USING ERRCODE = 'no_data_found',
            HINT = format('INSERT INTO cost_analytics.exchange_rates (date, currency, target, rate) VALUES (%L, %L, %L, …): a rate counts from its date on.',
                          on_date, currency, target);
  END IF;
  RETURN converted;
END
$$;
COMMENT ON FUNCTION @extschema@.cost_in(numeric, text, date, text) IS
  'An amount in another currency, at the newest rate of exchange_rates that is not after the day. An error where there is none, for a sum must not leave amounts out; NULL for NULL.';
