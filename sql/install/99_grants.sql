-- After all functions: nothing for PUBLIC, everything for cost_admin.
REVOKE ALL ON ALL ROUTINES IN SCHEMA @extschema@ FROM PUBLIC;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA @extschema@ TO cost_admin;
