-- Whether the sync runs, and what would keep it from running.
CREATE FUNCTION @extschema@.health_of_schedule() RETURNS TABLE ("check" text, ok boolean, detail text, hint text)
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  "check" := 'schedule';
  IF to_regclass('cron.job') IS NULL THEN
    ok := false; detail := 'pg_cron is not in this database';
    hint := 'SELECT cost_analytics.cost_schedule() says what is missing. With another scheduler this is no fault.';
    RETURN NEXT;
    RETURN;
  END IF;
  FOR detail, ok, hint IN EXECUTE
    'SELECT concat_ws('', '', format(''job %s of %s: %s %s'', coalesce(j.jobname, j.jobid::text), j.username, j.schedule, j.command),
                      CASE WHEN j.active THEN NULL ELSE ''not active'' END,
                      CASE WHEN r.status IS NULL THEN ''never ran'' ELSE format(''last run %s: %s %s'', r.start_time, r.status, r.return_message) END),
            j.active AND r.status IS DISTINCT FROM ''failed'',
            CASE WHEN NOT j.active THEN ''UPDATE cron.job SET active = true, or cost_schedule() again.''
                 WHEN r.status = ''failed'' THEN ''See cost_analytics.sync_log and cron.job_run_details.'' END
       FROM cron.job j
       LEFT JOIN LATERAL (SELECT d.start_time, d.status, d.return_message FROM cron.job_run_details d
                           WHERE d.jobid = j.jobid ORDER BY d.runid DESC LIMIT 1) r ON true
      WHERE j.command LIKE ''%cost_analytics.cost_sync%'' AND j.database = current_database()' LOOP
    RETURN NEXT;
  END LOOP;
  IF NOT FOUND THEN
    ok := false; detail := 'no job runs cost_sync()'; hint := 'SELECT cost_analytics.cost_schedule(''0 2 * * *'').';
    RETURN NEXT;
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  ok := NULL; detail := SQLERRM; hint := format('A superuser can allow it: GRANT USAGE ON SCHEMA cron TO %I.', current_user);
  RETURN NEXT;
END
$$;
COMMENT ON FUNCTION @extschema@.health_of_schedule() IS 'cost_health()''s rows about pg_cron''s jobs. Users other than superusers see their own jobs only.';

CREATE FUNCTION @extschema@.health_of_timeouts() RETURNS TABLE ("check" text, ok boolean, detail text, hint text)
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH settings AS (
    SELECT s.name, s.setting || coalesce(s.unit, '') || ' in this session' AS value,
           s.setting <> '0' AS cuts, format('RESET %s, or SET %s = 0 before CALL.', s.name, s.name) AS hint
      FROM pg_settings s
    UNION ALL
    SELECT split_part(c, '=', 1), split_part(c, '=', 2) || concat_ws(' ', ' for', 'role ' || quote_ident(r.rolname), 'database ' || quote_ident(d.datname)),
           split_part(c, '=', 2) !~ '^0[a-z]*$',
           format('ALTER %s SET %s = 0.', CASE WHEN r.rolname IS NULL THEN 'DATABASE ' || quote_ident(d.datname)
                    ELSE concat('ROLE ' || quote_ident(r.rolname), ' IN DATABASE ' || quote_ident(d.datname)) END, split_part(c, '=', 1))
      FROM pg_db_role_setting x CROSS JOIN unnest(x.setconfig) c
      LEFT JOIN pg_roles r ON r.oid = x.setrole
      LEFT JOIN pg_database d ON d.oid = x.setdatabase
     WHERE (x.setdatabase = 0 OR d.datname = current_database())
       -- Of those who sync.
       AND (x.setrole = 0 OR r.rolsuper OR pg_has_role(x.setrole, 'cost_admin', 'MEMBER')))
  SELECT t.name, NOT coalesce(bool_or(s.cuts), false),
         coalesce(string_agg(s.value, '; ') FILTER (WHERE s.cuts), 'off'),
         string_agg(s.hint, ' ') FILTER (WHERE s.cuts)
    FROM unnest(ARRAY['statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout', 'lock_timeout']) t (name)
    JOIN settings s ON s.name = t.name
   GROUP BY t.name ORDER BY t.name
$$;
COMMENT ON FUNCTION @extschema@.health_of_timeouts() IS
  'cost_health()''s rows about timeouts that would cut a sync short: of this session, this database and the roles that may sync. A CALL is one statement, so statement_timeout counts for all months together.';

CREATE FUNCTION @extschema@.cost_health() RETURNS TABLE ("check" text, ok boolean, detail text, hint text)
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'extension', e.extversion = a.default_version, 'cur_fdw ' || e.extversion,
         CASE WHEN e.extversion <> a.default_version THEN format('ALTER EXTENSION cur_fdw UPDATE TO %L.', a.default_version) END
    FROM pg_extension e JOIN pg_available_extensions a ON a.name = e.extname WHERE e.extname = 'cur_fdw'
  UNION ALL
  SELECT 'roles', pg_has_role('cost_admin', 'MEMBER') AND syncs > 0,
         format('%s may %s; other roles that may sync: %s, that may read: %s', quote_ident(current_user),
           CASE WHEN pg_has_role('cost_admin', 'MEMBER') THEN 'sync' ELSE 'read' END, others.syncing, others.reading),
         CASE WHEN NOT pg_has_role('cost_admin', 'MEMBER') THEN format('GRANT cost_admin TO %I.', current_user) END
    FROM (SELECT count(*) FILTER (WHERE pg_has_role(r.oid, 'cost_admin', 'MEMBER')) AS syncs,
                 coalesce(string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) FILTER (WHERE pg_has_role(r.oid, 'cost_admin', 'MEMBER') AND r.rolname <> current_user), 'none') AS syncing,
                 coalesce(string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) FILTER (WHERE NOT pg_has_role(r.oid, 'cost_admin', 'MEMBER') AND pg_has_role(r.oid, 'cost_reader', 'MEMBER')), 'none') AS reading
            FROM pg_roles r WHERE r.rolcanlogin) others
  UNION ALL
  SELECT * FROM @extschema@.health_of_schedule()
  UNION ALL
  SELECT 'sources', count(*) > 0, format('%s enabled, %s not', count(*) FILTER (WHERE s.enabled), count(*) FILTER (WHERE NOT s.enabled)),
         CASE WHEN count(*) = 0 THEN 'SELECT cost_analytics.cost_add_source(name, server, prefix); cost_discover(server) shows what there is.' END
    FROM @extschema@.sources s
  UNION ALL
  -- AWS delivers the current month several times a day, the first time within a day.
  (SELECT 'freshness of ' || s.name, NOT s.enabled OR coalesce(m.newest >= date_trunc('month', now() - interval '2 days') AND m.at > now() - interval '2 days', false),
         CASE WHEN m.newest IS NULL THEN 'nothing loaded' ELSE format('newest month %s, loaded %s', to_char(m.newest, 'YYYY-MM'), m.at) END
           || CASE WHEN s.enabled THEN '' ELSE '; not enabled' END,
         CASE WHEN NOT s.enabled THEN NULL
              WHEN m.newest IS NULL THEN 'CALL cost_analytics.cost_sync().'
              WHEN m.newest < date_trunc('month', now() - interval '2 days') OR m.at <= now() - interval '2 days'
                THEN format('SELECT * FROM cost_analytics.cost_plan(%L) shows whether there is anything newer; if not, look at the export itself.', s.name) END
    FROM @extschema@.sources s
    LEFT JOIN LATERAL (SELECT max(x.billing_period) AS newest, max(x.loaded_at) AS at FROM @extschema@.manifests x
                        WHERE x.source_name = s.name AND x.state = 'loaded') m ON true
   ORDER BY s.name)
  UNION ALL
  SELECT 'failed months', count(*) = 0, coalesce(string_agg(concat_ws(' ', m.source_name, to_char(m.billing_period, 'YYYY-MM') || ':', m.error), '; ' ORDER BY m.billing_period DESC, m.source_name), 'none'),
         CASE WHEN count(*) > 0 THEN 'The next cost_sync() tries them again. See cost_analytics.sync_log.' END
    FROM @extschema@.manifests m WHERE m.state = 'failed'
  UNION ALL
  SELECT 'staged months', count(*) = 0, coalesce(string_agg(concat_ws(' ', m.source_name, to_char(m.billing_period, 'YYYY-MM')), '; ' ORDER BY m.billing_period DESC, m.source_name), 'none'),
         CASE WHEN count(*) > 0 THEN 'Readers held the raw table: look for long transactions in pg_stat_activity. The next cost_sync() swaps them in without reading anything.' END
    FROM @extschema@.manifests m WHERE m.state = 'staged'
  UNION ALL
  SELECT * FROM @extschema@.health_of_timeouts()
$$;
COMMENT ON FUNCTION @extschema@.cost_health() IS
  'One row per check of what a working sync needs, with a hint where something is amiss. Reads the database only; cost_test(server) tries the store.';
