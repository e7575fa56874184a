-- Who may do what. Nothing is granted to PUBLIC.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'cost_reader') THEN
    CREATE ROLE cost_reader NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'cost_admin') THEN
    CREATE ROLE cost_admin NOLOGIN;
  END IF;
  -- Granted by a superuser, so that no member of cost_reader gains the right to grant it.
  GRANT cost_reader TO cost_admin;
END
$$;

COMMENT ON SCHEMA @extschema@ IS 'Cloud costs: sources, synced months and the costs view (cur_fdw).';
REVOKE ALL ON SCHEMA @extschema@ FROM PUBLIC;
GRANT USAGE ON SCHEMA @extschema@ TO cost_reader;
GRANT USAGE, CREATE ON SCHEMA @extschema@ TO cost_admin;
