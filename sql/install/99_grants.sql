-- After all functions: nothing for PUBLIC, everything for cost_admin.
REVOKE ALL ON ALL ROUTINES IN SCHEMA @extschema@ FROM PUBLIC;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA @extschema@ TO cost_admin;
-- What only reads, as the caller.
GRANT EXECUTE ON FUNCTION @extschema@.cost_health(), @extschema@.health_of_schedule(), @extschema@.health_of_timeouts(),
  @extschema@.cost_reconcile(date, text), @extschema@.reconcile_sql(@extschema@.sources, date, boolean),
  @extschema@.normalized_column_sql(regclass, text, text), @extschema@.normalization_sql(regclass, text, text),
  @extschema@.normalization_sql(regclass), @extschema@.normalization_sql(text), @extschema@.usage_sql(regclass, text, text),
  @extschema@.exact_sum(double precision), @extschema@.exact_sum_add(internal, double precision), @extschema@.exact_sum_combine(internal, internal),
  @extschema@.exact_sum_serialize(internal), @extschema@.exact_sum_deserialize(bytea, internal), @extschema@.exact_sum_total(internal), @extschema@.zone_region(text),
  @extschema@.labels(jsonb, text), @extschema@.labels(text, text), @extschema@.credits_total(jsonb), @extschema@.credits_total(text),
  @extschema@.credits_total(double precision), @extschema@.resource_type(text), @extschema@.cost_in(numeric, text, date, text), @extschema@.filter_sql(jsonb, regclass) TO cost_reader;
