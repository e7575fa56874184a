-- After all functions: nothing for PUBLIC, everything for cost_admin.
REVOKE ALL ON ALL ROUTINES IN SCHEMA @extschema@ FROM PUBLIC;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA @extschema@ TO cost_admin;
-- What only reads, as the caller.
GRANT EXECUTE ON FUNCTION @extschema@.cost_health(), @extschema@.health_of_schedule(), @extschema@.health_of_timeouts(),
  @extschema@.cost_reconcile(date, text), @extschema@.reconcile_sql(@extschema@.sources, date, boolean),
  @extschema@.normalized_column_sql(regclass, text), @extschema@.filter_sql(jsonb, regclass) TO cost_reader;
