//! What the images are made of: the scripts run here against the real servers, as they run there.

use crate::env::{Env, Test, skip, tests};
use pg_test::Result;
use pg_test::bills::{MonthBill, Report};
use pg_test::postgres::Cluster;
use postgres::Client;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const TESTS: &[Test] = tests![
    environment_becomes_sources_and_costs,
    second_start_changes_only_what_differs,
    wrong_secret_fails_with_a_hint,
    unusable_environment_is_refused,
    schedule_needs_pg_cron,
    schedule_becomes_a_job,
    library_needs_no_other_libraries,
    supabase_files_go_where_its_postgres_looks,
    docker_files_name_existing_scripts,
];

const BUCKET: &str = "ship";
/// As users of the earlier tool have it, and with a name.
const PATHS: &str = "cup/CUP-Cost-Usage-Report:raw_press, ca_bill=ca/CA-Cost-Usage-Report/,";
const MONTHS: usize = 2;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A script's path, with the variables of the surrounding shell that it reads out of the way.
fn script(name: &str) -> Command {
    let mut command = Command::new("bash");
    command.arg(root().join("docker").join(name));
    for (variable, _) in std::env::vars_os() {
        let variable = variable.to_string_lossy();
        let read = [
            "PG",
            "POSTGRES_",
            "AWS_",
            "S3_",
            "SYNC_",
            "CUR_PATHS",
            "RUN_ON_START",
        ];
        if read.iter().any(|prefix| variable.starts_with(prefix)) {
            command.env_remove(&*variable);
        }
    }
    command
}

/// What a command printed on both streams, and whether it went well.
fn outcome(command: &mut Command) -> Result<(String, bool)> {
    let output = command.output()?;
    let printed = [output.stdout, output.stderr].concat();
    Ok((String::from_utf8(printed)?, output.status.success()))
}

/// The first start with the earlier tool's environment, and what a test changes of it.
fn first_start(
    env: &Env,
    cluster: &Cluster,
    database: &str,
    changes: &[(&str, &str)],
) -> Result<(String, bool)> {
    let mut command = script("first-start.sh");
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", cluster.port().to_string())
        .env("POSTGRES_USER", "postgres")
        .env("POSTGRES_DB", database)
        .env("S3_BUCKET", BUCKET)
        .env("S3_ENDPOINT", env.gateway.endpoint())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", env.gateway.access_key())
        .env("AWS_SECRET_ACCESS_KEY", env.gateway.secret_key())
        .env("CUR_PATHS", PATHS)
        .env("SYNC_SCHEDULE", "")
        .env("SYNC_MONTHS", MONTHS.to_string())
        .envs(changes.iter().copied());
    outcome(&mut command)
}

/// Both payers' bills in the bucket: those a first sync of [`MONTHS`] loads.
fn deliver(env: &Env) -> Result<Vec<MonthBill>> {
    env.gateway.create_bucket(BUCKET)?;
    let mut newest = Vec::new();
    for report in [Report::press(), Report::ca()] {
        let report = Report {
            rows_per_month: 1_600,
            ..report
        };
        let mut bills = report.all();
        for file in bills.iter().flat_map(|bill| &bill.files) {
            env.gateway.put(BUCKET, &file.key, file.bytes.clone())?;
        }
        newest.extend(bills.drain(bills.len() - MONTHS..));
    }
    Ok(newest)
}

/// An empty database whose server log would have every statement.
fn talkative(env: &Env, name: &str) -> Result<Client> {
    let mut client = env.database(name)?;
    client.batch_execute(&format!(
        "ALTER DATABASE {name} SET log_statement = 'all';
         ALTER DATABASE {name} SET log_min_duration_statement = 0"
    ))?;
    Ok(client)
}

fn texts(client: &mut Client, query: &str) -> Result<Vec<String>> {
    let rows = client.query(query, &[])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn environment_becomes_sources_and_costs(env: &Env) -> Result<()> {
    let bills = deliver(env)?;
    let mut client = talkative(env, "ship_costs")?;
    let logged = env.cluster.log()?.len();
    let changes = [("RUN_ON_START", "true"), ("POSTGRES_SCHEMA", "finops")];
    let (printed, ok) = first_start(env, &env.cluster, "ship_costs", &changes)?;
    assert!(ok, "{printed}");

    let sources = "SELECT concat_ws(' ', name, raw_table) FROM cost_analytics.sources ORDER BY 1";
    assert_eq!(
        texts(&mut client, sources)?,
        ["ca_bill raw_ca_bill", "press raw_press"]
    );
    let totals: Vec<&str> = bills.iter().map(|bill| &*bill.totals.unblended).collect();
    for view in ["cost_analytics.costs", "finops.costs"] {
        let query = format!(
            "SELECT sum(cost) = (SELECT sum(t::numeric) FROM unnest($1::text[]) t), sum(cost)::text FROM {view}"
        );
        let row = client.query_one(&query, &[&totals])?;
        assert!(row.get::<_, bool>(0), "{view}: {}", row.get::<_, &str>(1));
    }
    let row = client.query_one("SELECT count(*) FROM finops.press_normalized", &[])?;
    assert!(row.get::<_, i64>(0) > 0);

    let log = env.cluster.log()?;
    let log = log.get(logged..).ok_or("the server's log has shrunk")?;
    assert!(log.contains("cost_add_source"), "the log has statements");
    for text in [log, &printed] {
        assert!(!text.contains(env.gateway.secret_key()), "{text}");
    }
    Ok(())
}

fn second_start_changes_only_what_differs(env: &Env) -> Result<()> {
    deliver(env)?;
    let mut client = talkative(env, "ship_again")?;
    let (printed, ok) = first_start(env, &env.cluster, "ship_again", &[])?;
    assert!(ok, "{printed}");
    // A row that was written anew has another xmin.
    let state = "SELECT concat_ws(' ', xmin, srvname, srvoptions) FROM pg_foreign_server
        UNION ALL SELECT concat_ws(' ', xmin, umuser, umoptions) FROM pg_user_mapping
        UNION ALL SELECT concat_ws(' ', xmin, extname) FROM pg_extension
        UNION ALL SELECT concat_ws(' ', xmin, name, added_at) FROM cost_analytics.sources
        UNION ALL SELECT concat_ws(' ', xmin, setdatabase, setconfig) FROM pg_db_role_setting
        ORDER BY 1";
    let before = texts(&mut client, state)?;
    let mark = env.gateway.mark()?;
    let (printed, ok) = first_start(env, &env.cluster, "ship_again", &[])?;
    assert!(ok, "{printed}");
    assert!(!printed.contains("added"), "{printed}");
    assert_eq!(texts(&mut client, state)?, before);
    assert_eq!(
        env.gateway.requests_since(mark)?,
        [],
        "a start does not depend on the bucket"
    );

    // The rotated key takes the place of the old one; a quote in it is just a character.
    let rotated = [
        ("AWS_SECRET_ACCESS_KEY", "rotated'; --"),
        ("AWS_SESSION_TOKEN", "token"),
        ("S3_ENDPOINT", "https://store.example"),
    ];
    let (printed, ok) = first_start(env, &env.cluster, "ship_again", &rotated)?;
    assert!(ok, "{printed}");
    let options = "SELECT unnest(umoptions) FROM pg_user_mappings WHERE srvname = 'billing'
        UNION SELECT unnest(srvoptions) FROM pg_foreign_server WHERE srvname = 'billing' ORDER BY 1";
    let key = format!("access_key_id={}", env.gateway.access_key());
    assert_eq!(
        texts(&mut client, options)?,
        [
            &*key,
            "endpoint=https://store.example",
            "region=us-east-1",
            "secret_access_key=rotated'; --",
            "session_token=token",
            "url=s3://ship"
        ]
    );
    assert!(!env.cluster.log()?.contains("rotated'"));
    Ok(())
}

fn wrong_secret_fails_with_a_hint(env: &Env) -> Result<()> {
    deliver(env)?;
    drop(talkative(env, "ship_wrong")?);
    let wrong = [("AWS_SECRET_ACCESS_KEY", "wrong-secret-of-the-test")];
    let (printed, ok) = first_start(env, &env.cluster, "ship_wrong", &wrong)?;
    assert!(!ok, "{printed}");
    assert!(printed.contains("ERROR:"), "{printed}");
    assert!(printed.contains("HINT:"), "{printed}");
    assert!(!printed.contains("wrong-secret"), "{printed}");
    // The corrected environment finishes the work.
    let (printed, ok) = first_start(env, &env.cluster, "ship_wrong", &[])?;
    assert!(ok, "{printed}");
    // A key that expired later is a warning, for what is loaded can still be read.
    let expired = [wrong[0], ("RUN_ON_START", "true")];
    let (printed, ok) = first_start(env, &env.cluster, "ship_wrong", &expired)?;
    assert!(ok, "{printed}");
    assert!(printed.contains("the sync at start failed"), "{printed}");
    assert!(!printed.contains("wrong-secret"), "{printed}");
    assert!(!env.cluster.log()?.contains("wrong-secret"));
    Ok(())
}

fn unusable_environment_is_refused(env: &Env) -> Result<()> {
    deliver(env)?;
    drop(env.database("ship_refused")?);
    for (change, complaint) in [
        (("SYNC_MONTHS", "2; DROP"), "SYNC_MONTHS"),
        (("RUN_ON_START", "maybe"), "RUN_ON_START"),
        (("AWS_ACCESS_KEY_ID", ""), "AWS_ACCESS_KEY_ID is not"),
        (
            ("CUR_PATHS", "a/same/,b/same"),
            "the same name to a/same/, b/same",
        ),
        (("CUR_PATHS", "no/such/folder"), "HINT:"),
    ] {
        let (printed, ok) = first_start(env, &env.cluster, "ship_refused", &[change])?;
        assert!(!ok, "{change:?}: {printed}");
        assert!(printed.contains(complaint), "{change:?}: {printed}");
    }
    // Only the extension, for those who do the rest in SQL.
    drop(env.database("ship_bare")?);
    let (printed, ok) = first_start(env, &env.cluster, "ship_bare", &[("S3_BUCKET", "")])?;
    assert!(ok, "{printed}");
    let mut client = env.cluster.client("ship_bare")?;
    assert_eq!(
        texts(&mut client, "SELECT srvname::text FROM pg_foreign_server")?,
        [""; 0]
    );
    Ok(())
}

fn schedule_needs_pg_cron(env: &Env) -> Result<()> {
    deliver(env)?;
    drop(env.database("ship_no_cron")?);
    let (printed, ok) = first_start(env, &env.cluster, "ship_no_cron", &[])?;
    assert!(ok, "{printed}");
    assert!(printed.contains("nothing is scheduled"), "{printed}");
    let scheduled = [("SYNC_SCHEDULE", "0 2 * * *")];
    let (printed, ok) = first_start(env, &env.cluster, "ship_no_cron", &scheduled)?;
    assert!(!ok, "{printed}");
    let reason = match env.installation.has_extension("pg_cron") {
        true => "shared_preload_libraries",
        false => "Install pg_cron",
    };
    assert!(printed.contains(reason), "{printed}");
    Ok(())
}

fn schedule_becomes_a_job(env: &Env) -> Result<()> {
    if !env.installation.has_extension("pg_cron") {
        skip("this Postgres has no pg_cron");
        return Ok(());
    }
    deliver(env)?;
    let settings = [
        ("shared_preload_libraries", "pg_cron"),
        ("cron.database_name", "postgres"),
    ];
    let cluster = Cluster::start(&env.installation, &settings)?;
    let mut client = cluster.client("postgres")?;
    let job = "SELECT concat_ws(' ', jobid, jobname, schedule, command) FROM cron.job";
    let mut after = |schedule: &str| -> Result<Vec<String>> {
        let changes = [("SYNC_SCHEDULE", schedule)];
        let (printed, ok) = first_start(env, &cluster, "postgres", &changes)?;
        assert!(ok, "{printed}");
        texts(&mut client, job)
    };
    let command = "CALL cost_analytics.cost_sync(months => 2)";
    let nightly = [format!("1 cost-sync 0 2 * * * {command}")];
    assert_eq!(after("0 2 * * *")?, nightly);
    assert_eq!(after("0 2 * * *")?, nightly);
    assert_eq!(
        after("30 4 * * *")?,
        [format!("1 cost-sync 30 4 * * * {command}")]
    );
    assert_eq!(after("")?, [""; 0]);
    Ok(())
}

fn library_needs_no_other_libraries(env: &Env) -> Result<()> {
    let check = |library: &Path| outcome(script("check-linkage.sh").arg(library));
    let directory = Command::new(&env.installation.pg_config)
        .arg("--pkglibdir")
        .output()?;
    let directory = String::from_utf8(directory.stdout)?;
    let (printed, ok) = check(&Path::new(directory.trim_end()).join("cur_fdw.so"))?;
    assert!(ok, "{printed}");
    let (printed, ok) = check(&env.installation.program("psql"))?;
    assert!(!ok && printed.contains("libpq"), "{printed}");
    Ok(())
}

/// The parts of the image that the script looks at, in a directory.
fn supabase_files_go_where_its_postgres_looks(_: &Env) -> Result<()> {
    let image = tempfile::tempdir()?;
    let at = |path: &str| image.path().join(path);
    for directory in [
        "nix/lib",
        "share/extension",
        "custom/conf.d",
        "built/lib",
        "built/share",
    ] {
        fs::create_dir_all(at(directory))?;
    }
    let wrapper = format!(
        "#! /nix/store/bash -e\nexport NIX_PGLIBDIR='{}'\nexec -a \"$0\" .postgres-wrapped \"$@\"\n",
        at("nix/lib").display()
    );
    let pg_config = format!("#!/bin/sh\necho {}\n", at("share").display());
    let supautils = "supautils.privileged_extensions = 'hstore, pg_cron, wrappers'\n";
    for (path, text) in [
        ("postgres", &*wrapper),
        ("pg_config", &pg_config),
        ("custom/supautils.conf", supautils),
        ("built/lib/cur_fdw.so", ""),
        ("built/share/cur_fdw.control", ""),
        ("built/share/cur_fdw--0.1.0.sql", ""),
    ] {
        fs::write(at(path), text)?;
    }
    fs::set_permissions(at("pg_config"), fs::Permissions::from_mode(0o755))?;
    let mut install = script("install-supabase.sh");
    install
        .arg(at("built"))
        .env("POSTGRES_PROGRAM", at("postgres"))
        .env("PG_CONFIG", at("pg_config"))
        .env("CUSTOM_CONFIG", at("custom"));
    let listed = "supautils.privileged_extensions = 'hstore, pg_cron, wrappers, cur_fdw'\n";
    // The second run must not list it twice.
    for _ in 0..2 {
        let (printed, ok) = outcome(&mut install)?;
        assert!(ok, "{printed}");
        assert_eq!(
            fs::read_to_string(at("custom/conf.d/99-cur_fdw.conf"))?,
            listed
        );
    }
    for path in [
        "nix/lib/cur_fdw.so",
        "share/extension/cur_fdw.control",
        "share/extension/cur_fdw--0.1.0.sql",
        "custom/extension-custom-scripts/cur_fdw/after-create.sql",
    ] {
        assert!(at(path).exists(), "{path}");
    }
    // Another image is refused, rather than half installed.
    fs::write(at("postgres"), "ELF")?;
    let (printed, ok) = outcome(&mut install)?;
    assert!(
        !ok && printed.contains("names no library directory"),
        "{printed}"
    );
    Ok(())
}

fn docker_files_name_existing_scripts(_: &Env) -> Result<()> {
    let scripts: Vec<String> = fs::read_dir(root().join("docker"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    let dockerfile = fs::read_to_string(root().join("Dockerfile"))?;
    let compose = fs::read_to_string(root().join("docker-compose.yml"))?;
    let words = dockerfile
        .split_whitespace()
        .chain(compose.split_whitespace())
        .map(|word| word.trim_matches(['[', ']', '"', ',']));
    let mut named = Vec::new();
    for word in words.filter(|word| word.ends_with(".sh")) {
        let name = word.rsplit('/').next().unwrap_or(word);
        // The hook's name in the image begins with its place in the order.
        let name = if name == "90-cur_fdw.sh" {
            "first-start.sh"
        } else {
            name
        };
        assert!(scripts.iter().any(|script| script == name), "{word}");
        named.push(name);
    }
    for script in &scripts {
        assert!(named.contains(&&**script), "{script} is used");
    }
    let target = compose
        .lines()
        .find_map(|line| line.trim().strip_prefix("target: "))
        .ok_or("the service names no target")?;
    assert!(dockerfile.contains(&format!(" AS {target}\n")), "{target}");
    // What the image is told and what the script reads must be the same words.
    let first_start = fs::read_to_string(root().join("docker/first-start.sh"))?;
    let variables = compose
        .lines()
        .filter_map(|line| line.strip_prefix("      ")?.split_once(": ${"))
        .map(|(name, _)| name.trim());
    let mut count = 0;
    for name in variables {
        assert!(first_start.contains(name), "{name}");
        count += 1;
    }
    assert_eq!(count, 14);
    Ok(())
}
