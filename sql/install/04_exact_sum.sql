-- Sums of amounts that come as doubles, in decimals. The foreign tables compute it where they read.
CREATE FUNCTION @extschema@.exact_sum_add(state internal, value double precision) RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'exact_sum_add_wrapper';
COMMENT ON FUNCTION @extschema@.exact_sum_add(internal, double precision) IS 'For exact_sum().';

CREATE FUNCTION @extschema@.exact_sum_combine(state internal, other internal) RETURNS internal
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'exact_sum_combine_wrapper';
COMMENT ON FUNCTION @extschema@.exact_sum_combine(internal, internal) IS 'For exact_sum().';

CREATE FUNCTION @extschema@.exact_sum_serialize(state internal) RETURNS bytea
  LANGUAGE c STRICT IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'exact_sum_serialize_wrapper';
COMMENT ON FUNCTION @extschema@.exact_sum_serialize(internal) IS 'For exact_sum().';

CREATE FUNCTION @extschema@.exact_sum_deserialize(state bytea, unused internal) RETURNS internal
  LANGUAGE c STRICT IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'exact_sum_deserialize_wrapper';
COMMENT ON FUNCTION @extschema@.exact_sum_deserialize(bytea, internal) IS 'For exact_sum().';

CREATE FUNCTION @extschema@.exact_sum_total(state internal) RETURNS numeric
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'exact_sum_total_wrapper';
COMMENT ON FUNCTION @extschema@.exact_sum_total(internal) IS 'For exact_sum().';

CREATE AGGREGATE @extschema@.exact_sum(double precision) (
  SFUNC = @extschema@.exact_sum_add, STYPE = internal, SSPACE = 64,
  FINALFUNC = @extschema@.exact_sum_total, COMBINEFUNC = @extschema@.exact_sum_combine,
  SERIALFUNC = @extschema@.exact_sum_serialize, DESERIALFUNC = @extschema@.exact_sum_deserialize,
  PARALLEL = SAFE);
COMMENT ON AGGREGATE @extschema@.exact_sum(double precision) IS
  'The exact sum of the decimals that doubles print as, in any order the same to the last digit; NULL without values.';

CREATE FUNCTION @extschema@.zone_region(zone text) RETURNS text
  LANGUAGE c STRICT IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'zone_region_wrapper';
COMMENT ON FUNCTION @extschema@.zone_region(text) IS
  'The region of an AWS availability zone: us-west-2 for us-west-2a. Any other text stays as it is, an empty one is NULL.';
