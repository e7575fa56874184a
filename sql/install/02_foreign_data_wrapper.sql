-- The foreign-data wrapper.
CREATE FUNCTION @extschema@.cur_fdw_handler() RETURNS fdw_handler
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cur_fdw_handler';
COMMENT ON FUNCTION @extschema@.cur_fdw_handler() IS 'Callbacks of the foreign-data wrapper cur_fdw.';

CREATE FUNCTION @extschema@.cur_fdw_validator(options text[], catalog oid) RETURNS void
  LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cur_fdw_validator_wrapper';
COMMENT ON FUNCTION @extschema@.cur_fdw_validator(text[], oid) IS 'Checks the options of servers, user mappings, foreign tables and columns.';

CREATE FOREIGN DATA WRAPPER cur_fdw
  HANDLER @extschema@.cur_fdw_handler
  VALIDATOR @extschema@.cur_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER cur_fdw IS 'Cloud billing exports in object storage.';
GRANT USAGE ON FOREIGN DATA WRAPPER cur_fdw TO cost_admin;
