-- Sums of doubles as the decimals they print as.
CREATE FUNCTION @extschema@.exact_sum_add(total numeric, value double precision) RETURNS numeric
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE WHEN value IS NULL THEN total ELSE coalesce(total, 0) + @extschema@.exact_numeric(value) END;
COMMENT ON FUNCTION @extschema@.exact_sum_add(numeric, double precision) IS 'One step of exact_sum.';

CREATE AGGREGATE @extschema@.exact_sum(double precision) (
  SFUNC = @extschema@.exact_sum_add, STYPE = numeric, PARALLEL = SAFE);
COMMENT ON AGGREGATE @extschema@.exact_sum(double precision) IS
  'The exact decimal sum of the decimals that doubles print as. NULLs count nothing; NULL for no value at all.';
