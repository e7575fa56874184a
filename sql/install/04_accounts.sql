-- What accounts are called.
CREATE TABLE @extschema@.accounts (
  account_id text PRIMARY KEY,
  name       text NOT NULL,
  note       text
);
COMMENT ON TABLE @extschema@.accounts IS 'Names for accounts, shown as account_name in costs. Filled by hand; any account may be missing.';
COMMENT ON COLUMN @extschema@.accounts.account_id IS 'As in costs.';
COMMENT ON COLUMN @extschema@.accounts.name IS 'What to call it.';
COMMENT ON COLUMN @extschema@.accounts.note IS 'Anything worth knowing, such as who owns it.';
SELECT pg_catalog.pg_extension_config_dump('@extschema@.accounts', '');
GRANT SELECT ON @extschema@.accounts TO cost_reader;
GRANT INSERT, UPDATE, DELETE ON @extschema@.accounts TO cost_admin;
