-- The nightly sync, over pg_cron.
CREATE FUNCTION @extschema@.cost_schedule(schedule text DEFAULT '0 2 * * *', months integer DEFAULT 2,
    source text DEFAULT NULL, max_runtime interval DEFAULT NULL, job text DEFAULT 'cost-sync')
  RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  command text := format('CALL cost_analytics.cost_sync(%s)', concat_ws(', ',
    'source => ' || quote_literal(source), 'months => ' || months, 'max_runtime => ' || quote_literal(max_runtime)));
  home text;
  id bigint;
BEGIN
  IF months < 1 THEN
    RAISE EXCEPTION 'months is %, but must be at least 1', months
      USING ERRCODE = 'invalid_parameter_value', HINT = 'months => NULL takes all months.';
  END IF;
  IF source IS NOT NULL AND NOT EXISTS (SELECT FROM @extschema@.sources x WHERE x.name = source) THEN
    RAISE EXCEPTION 'there is no source "%"', source
      USING ERRCODE = 'undefined_object', HINT = 'SELECT name FROM cost_analytics.sources; cost_add_source() adds one.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
    BEGIN
      home := current_setting('cron.database_name', true);
    EXCEPTION WHEN insufficient_privilege THEN
      RAISE EXCEPTION 'database "%" has no pg_cron', current_database()
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = format('A superuser can see with SHOW cron.database_name where it lives, and there run: SELECT cron.schedule_in_database(%L, %L, %L, %L).',
                            job, schedule, command, current_database());
    END;
    RAISE EXCEPTION '%', CASE WHEN home IS NULL THEN 'this server has no pg_cron'
                              WHEN home = current_database() THEN format('pg_cron is loaded, but is no extension of database "%s"', home)
                              ELSE format('pg_cron lives in database "%s", not in "%s"', home, current_database()) END
      USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = CASE WHEN home IS NULL THEN
                          format('Install it, set shared_preload_libraries = ''pg_cron'' and cron.database_name = %L, restart and CREATE EXTENSION pg_cron; or let another scheduler run: %s.', current_database(), command)
                        WHEN home = current_database() THEN 'CREATE EXTENSION pg_cron.'
                        ELSE format('In "%s", run: SELECT cron.schedule_in_database(%L, %L, %L, %L).', home, job, schedule, command, current_database()) END;
  END IF;
  EXECUTE 'SELECT cron.schedule($1, $2, $3)' INTO id USING job, schedule, command;
  RETURN id;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE EXCEPTION '%', SQLERRM
    USING ERRCODE = 'insufficient_privilege', HINT = format('A superuser can allow it: GRANT USAGE ON SCHEMA cron TO %I.', current_user);
END
$$;
COMMENT ON FUNCTION @extschema@.cost_schedule(text, integer, text, interval, text) IS
  'Lets pg_cron run cost_sync() on a schedule, as the current user, and returns the job''s id. months => 2 rechecks the newest two months; NULL all, which takes one listing, too, when nothing is new. A job of the same name is replaced.';

CREATE FUNCTION @extschema@.cost_unschedule(job text DEFAULT 'cost-sync') RETURNS boolean
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  id bigint;
BEGIN
  IF to_regclass('cron.job') IS NULL THEN
    RETURN false;
  END IF;
  EXECUTE 'SELECT jobid FROM cron.job WHERE jobname = $1 AND username = current_user' INTO id USING job;
  IF id IS NULL THEN
    RETURN false;
  END IF;
  EXECUTE 'SELECT cron.unschedule($1)' USING id;
  RETURN true;
END
$$;
COMMENT ON FUNCTION @extschema@.cost_unschedule(text) IS
  'Removes the current user''s job that cost_schedule() made; false when there is none.';
