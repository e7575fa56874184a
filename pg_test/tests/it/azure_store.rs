//! Bills in Azure Blob Storage, against Microsoft's emulator.

use crate::env::{Env, Test, skip, tests};
use crate::fixture;
use crate::generated::two_deliveries;
use crate::refusals::*;
use crate::store_checks::*;
use pg_test::azurite::Azurite;
use pg_test::bills::{MonthBill, samples};
use pg_test::entra::Issuer;
use pg_test::fault::{Fault, Proxy};
use pg_test::keys::RsaKey;
use pg_test::postgres::Cluster;
use pg_test::{Result, ports};
use postgres::Client;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = tests![
    azure_bills_are_read_with_an_account_key,
    azure_bills_are_read_with_a_signature,
    azure_bills_are_read_with_access_tokens,
    azure_exports_are_read_where_azure_delivers_them,
    azure_listing_goes_over_all_pages,
    azure_file_overwritten_while_it_is_read,
    azure_refusals_say_what_to_do,
    azure_requests_are_repeated_and_cancelled,
    azure_secrets_are_read_from_the_vault,
    azure_endpoint_must_be_allowed_to_reader_and_owner,
    azure_secrets_show_nowhere,
];

const DATABASE: &str = "azure";
const CONTAINER: &str = "bills";

/// One month that no test changes.
fn bill() -> &'static MonthBill {
    static BILL: OnceLock<MonthBill> = OnceLock::new();
    BILL.get_or_init(|| fixture::press().month(2025, 9, 0))
}

/// Where the emulator is, or nothing, with a word about it.
fn installation() -> Option<PathBuf> {
    let installation = Azurite::installation();
    if installation.is_none() {
        skip("there is no Azurite (CUR_FDW_AZURITE)");
    }
    installation
}

/// The emulator that the tests share, with [`bill`] in [`CONTAINER`]. None where there is none.
fn azurite() -> Result<Option<&'static Azurite>> {
    static SHARED: OnceLock<Azurite> = OnceLock::new();
    let Some(installation) = installation() else {
        return Ok(None);
    };
    if SHARED.get().is_none() {
        let azurite = Azurite::start(&installation, None)?;
        azurite.create_container(CONTAINER)?;
        azurite.put_all(CONTAINER, objects(bill()))?;
        SHARED.get_or_init(|| azurite);
    }
    Ok(SHARED.get())
}

fn server(azurite: &Azurite, container: &str, endpoint: &str) -> String {
    format!(
        "CREATE SERVER bills FOREIGN DATA WRAPPER cur_fdw OPTIONS \
           (url 'az://{container}', account '{}', endpoint '{endpoint}', path_style 'true', \
            allow_http 'true')",
        azurite.account()
    )
}

fn account_key(azurite: &Azurite) -> String {
    format!("account_key '{}'", azurite.account_key())
}

/// A signature that permits reading and listing [`CONTAINER`].
fn sas_token(azurite: &Azurite) -> Result<String> {
    azurite.sas_token(CONTAINER, "rl", "2099-01-01T00:00:00Z")
}

/// A database with the server `bills`, the account's key in the mapping, and the foreign table `t`.
fn connected(env: &Env, azurite: &Azurite) -> Result<Client> {
    connected_through(env, azurite, &azurite.endpoint())
}

fn connected_through(env: &Env, azurite: &Azurite, endpoint: &str) -> Result<Client> {
    let mut client = env.database_with_extension(DATABASE)?;
    client.batch_execute(&server(azurite, CONTAINER, endpoint))?;
    map(&mut client, &account_key(azurite))?;
    table(&mut client)?;
    Ok(client)
}

fn azure_bills_are_read_with_an_account_key(env: &Env) -> Result<()> {
    let Some(azurite) = azurite()? else {
        return Ok(());
    };
    let bills = [bill().clone(), fixture::press().month(2025, 10, 0)];
    azurite.create_container("two-months")?;
    for bill in &bills {
        azurite.put_all("two-months", objects(bill))?;
    }
    let mut client = env.database_with_extension(DATABASE)?;
    client.batch_execute(&server(azurite, "two-months", &azurite.endpoint()))?;
    map(&mut client, &account_key(azurite))?;
    reads_everything(&mut client, &bills)?;
    table(&mut client)?;
    let rows = client.simple_query(&format!("EXPLAIN (COSTS OFF) {READ}"))?;
    let plan = format!("{rows:?}");
    assert!(plan.contains("az://two-months/cup"), "{plan}");
    Ok(())
}

fn azure_bills_are_read_with_a_signature(env: &Env) -> Result<()> {
    let Some(azurite) = azurite()? else {
        return Ok(());
    };
    let mut client = connected(env, azurite)?;
    // With the question mark, as it stands in the URL that Azure shows.
    map(
        &mut client,
        &format!("sas_token '?{}'", sas_token(azurite)?),
    )?;
    reads_everything(&mut client, std::slice::from_ref(bill()))
}

fn azure_exports_are_read_where_azure_delivers_them(env: &Env) -> Result<()> {
    let Some(azurite) = azurite()? else {
        return Ok(());
    };
    let wanted = [
        "azure-actual-ea",
        "azure-actual-ea-short",
        "azure-focus-parquet",
    ];
    for sample in samples() {
        if !wanted.contains(&sample.name) {
            continue;
        }
        let bill = sample.report.month(2025, 9, 0);
        azurite.create_container(sample.name)?;
        azurite.put_all(sample.name, objects(&bill))?;
        let mut client = env.database_with_extension(DATABASE)?;
        client.batch_execute(&server(azurite, sample.name, &azurite.endpoint()))?;
        map(&mut client, &account_key(azurite))?;
        two_deliveries(&mut client, &sample, &bill, |bill| {
            // Azure tells times in whole seconds, and the newest manifest counts.
            std::thread::sleep(Duration::from_millis(1100));
            azurite.put_all(sample.name, objects(bill))
        })
        .map_err(|error| format!("{}: {}", sample.name, crate::describe(&*error)))?;
    }
    Ok(())
}

fn azure_listing_goes_over_all_pages(env: &Env) -> Result<()> {
    let Some(azurite) = azurite()? else {
        return Ok(());
    };
    // The emulator makes pages of 5000 as Azure does, unless it is asked for smaller ones.
    let proxy = Proxy::start(&azurite.endpoint())?;
    proxy.set(Fault::Insert("comp=list", "&maxresults=2"));
    let mut client = connected_through(env, azurite, &proxy.endpoint())?;
    // An account's key would sign what the proxy adds.
    map(&mut client, &format!("sas_token '{}'", sas_token(azurite)?))?;
    let row = client.query_one(
        "SELECT files FROM cost_analytics.cost_discover('bills')",
        &[],
    )?;
    let files = bill().files.iter();
    let parquet = files.filter(|file| file.key.ends_with(".parquet")).count();
    assert_eq!(row.get::<_, i64>(0), parquet as i64);
    let expected = bill().files.len().div_ceil(2);
    let pages = || -> Result<usize> {
        let requests = azurite.requests()?;
        Ok(requests.iter().filter(|r| r.contains("maxresults")).count())
    };
    // The line of a request is written after its answer.
    fixture::wait_for("the log has every page", || Ok(pages()? >= expected))?;
    assert_eq!(pages()?, expected);
    client.batch_execute(READ)?;
    Ok(())
}

fn azure_file_overwritten_while_it_is_read(env: &Env) -> Result<()> {
    let Some(azurite) = azurite()? else {
        return Ok(());
    };
    azurite.create_container("changed")?;
    azurite.put_all("changed", objects(bill()))?;
    let mut client = connected(env, azurite)?;
    client.batch_execute("ALTER SERVER bills OPTIONS (SET url 'az://changed')")?;
    notices_an_overwritten_file(&mut client, || {
        let other = fixture::press().month(2025, 9, 1);
        azurite.put_all("changed", objects(&other))
    })
}

fn azure_refusals_say_what_to_do(env: &Env) -> Result<()> {
    let Some(azurite) = azurite()? else {
        return Ok(());
    };
    let mut client = connected(env, azurite)?;
    let ended = azurite.sas_token(CONTAINER, "rl", "2020-01-01T00:00:00Z")?;
    let unlisted = azurite.sas_token(CONTAINER, "r", "2099-01-01T00:00:00Z")?;
    let forged = sas_token(azurite)?.replace("sp=rl", "sp=rwdl");
    for (mapping, hint) in [
        (format!("account_key '{MARKER}'"), "account_key"),
        (format!("sas_token '{ended}'"), "ended"),
        (format!("sas_token '{forged}'"), "sas_token"),
        (format!("sas_token '{unlisted}'"), "read and list"),
    ] {
        map(&mut client, &mapping)?;
        let error = refusal(&mut client, READ, INVALID_AUTHORIZATION, "az://bills", hint)?;
        assert!(!format!("{error:?}").contains("sig="), "{error:?}");
    }
    map(&mut client, &account_key(azurite))?;
    client.batch_execute("ALTER SERVER bills OPTIONS (SET url 'az://missing')")?;
    refused(
        &mut client,
        READ,
        UNDEFINED_FILE,
        "az://missing does not exist",
        "account",
    )?;
    client.batch_execute(&format!(
        "SET cur_fdw.retries = 0; \
         ALTER SERVER bills OPTIONS (SET endpoint 'http://127.0.0.1:{}')",
        ports::free()?
    ))?;
    refused(
        &mut client,
        READ,
        FDW_NO_CONNECTION,
        "az://missing",
        "endpoint",
    )?;
    Ok(())
}

fn azure_requests_are_repeated_and_cancelled(env: &Env) -> Result<()> {
    let Some(azurite) = azurite()? else {
        return Ok(());
    };
    let proxy = Proxy::start(&azurite.endpoint())?;
    let mut client = connected_through(env, azurite, &proxy.endpoint())?;
    proxy.set(Fault::Answer(503, "comp=list"));
    client.batch_execute("SET cur_fdw.retries = 2")?;
    refused(&mut client, READ, "HV000", "status 503", "again")?;
    assert_eq!(proxy.answered(), 3);
    for fault in [Fault::StallAfter(100), Fault::Silent] {
        proxy.set(fault);
        client.batch_execute("SET statement_timeout = '500ms'")?;
        let began = Instant::now();
        let error = error_of(&mut client, READ)?;
        assert_eq!(error.code().code(), QUERY_CANCELED, "{error:?}");
        assert!(began.elapsed() < Duration::from_millis(1500));
        proxy.set(Fault::Pass);
        client.batch_execute("SET statement_timeout = '20s'")?;
        client.batch_execute(READ)?;
    }
    Ok(())
}

fn azure_secrets_are_read_from_the_vault(env: &Env) -> Result<()> {
    let Some(azurite) = azurite()? else {
        return Ok(());
    };
    let mut client = connected(env, azurite)?;
    vault(&mut client)?;
    let token = sas_token(azurite)?;
    for (name, secret) in [
        ("key", azurite.account_key()),
        ("token", &token),
        ("wrong", "x-"),
    ] {
        hide(&mut client, name, Some(secret))?;
    }
    for mapping in ["vault_account_key 'key'", "vault_sas_token 'token'"] {
        map(&mut client, mapping)?;
        client.batch_execute(READ)?;
    }
    for (mapping, option) in [
        ("vault_account_key 'wrong'", "account_key"),
        ("vault_sas_token 'wrong'", "sas_token"),
    ] {
        map(&mut client, mapping)?;
        refused(&mut client, READ, FDW_INVALID_ATTRIBUTE_VALUE, option, "")?;
    }
    Ok(())
}

fn azure_endpoint_must_be_allowed_to_reader_and_owner(env: &Env) -> Result<()> {
    let Some(azurite) = azurite()? else {
        return Ok(());
    };
    let mut client = connected(env, azurite)?;
    client.batch_execute(&format!(
        "DO $$ BEGIN CREATE ROLE azure_user LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; \
         GRANT USAGE ON FOREIGN DATA WRAPPER cur_fdw TO azure_user; \
         GRANT USAGE ON FOREIGN SERVER bills TO azure_user; GRANT SELECT ON t TO azure_user; \
         CREATE USER MAPPING FOR azure_user SERVER bills OPTIONS ({})",
        account_key(azurite)
    ))?;
    let (allowed, code) = ("cur_fdw.allowed_endpoints", INSUFFICIENT_PRIVILEGE);
    client.batch_execute("SET ROLE azure_user")?;
    refused(&mut client, READ, code, allowed, "superuser")?;
    client.batch_execute(
        "RESET ROLE; SET cur_fdw.allowed_endpoints = 'http://127.0.0.1:*'; SET ROLE azure_user",
    )?;
    client.batch_execute(READ)?;
    // A server's owner may send it anywhere, and with it what its readers' keys are worth.
    client.batch_execute("RESET ROLE; ALTER SERVER bills OWNER TO azure_user")?;
    client.batch_execute(READ)?;
    client.batch_execute("SET cur_fdw.allowed_endpoints = ''")?;
    refused(&mut client, READ, code, allowed, "superuser")?;
    // So may who names the issuer of tokens.
    client.batch_execute(
        "ALTER SERVER bills OPTIONS (DROP endpoint, DROP path_style, ADD authority_host 'https://login.example.com')",
    )?;
    refused(
        &mut client,
        READ,
        code,
        "https://login.example.com",
        "superuser",
    )?;
    client.batch_execute("ALTER SERVER bills OWNER TO CURRENT_USER")?;
    Ok(())
}

fn azure_bills_are_read_with_access_tokens(env: &Env) -> Result<()> {
    let Some(installation) = installation() else {
        return Ok(());
    };
    let directory = tempfile::tempdir()?;
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), readable)?;
    let key = RsaKey::generate(directory.path())?;
    // Tokens are taken over HTTPS only.
    let azurite = Azurite::start(&installation, Some(&key))?;
    azurite.create_container(CONTAINER)?;
    azurite.put_all(CONTAINER, objects(bill()))?;
    let issuer = Issuer::start()?;
    let identity = format!("{}/identity", issuer.address);
    let certificate = key.certificate.to_string_lossy().into_owned();
    let environment = [
        ("SSL_CERT_FILE", certificate.as_str()),
        ("IDENTITY_ENDPOINT", &identity),
        ("IDENTITY_HEADER", "hush"),
    ];
    let cluster = Cluster::start_with(&env.installation, &[], &environment)?;
    let mut client = cluster.client("postgres")?;
    client.batch_execute("CREATE EXTENSION cur_fdw")?;
    client.batch_execute(&server(&azurite, CONTAINER, &azurite.endpoint()))?;
    client.batch_execute(&format!(
        "ALTER SERVER bills OPTIONS (ADD authority_host '{}')",
        issuer.address
    ))?;
    table(&mut client)?;

    let application =
        |secret: &str| format!("client_id 'app-1', client_secret '{secret}', tenant_id 'tenant-1'");
    map(&mut client, &application("right"))?;
    for _ in 0..3 {
        client.batch_execute(READ)?;
    }
    assert_eq!(issuer.requests(), 1, "the token is kept");
    map(&mut client, &application(MARKER))?;
    let code = INVALID_AUTHORIZATION;
    refused(&mut client, READ, code, "AADSTS7000215", "client_secret")?;
    shows_no_marker(&mut client, &cluster, "postgres")?;
    client.batch_execute(
        "ALTER USER MAPPING FOR CURRENT_USER SERVER bills OPTIONS (SET tenant_id 'x')",
    )?;
    refused(&mut client, READ, code, "no usable answer", "tenant_id")?;

    // The machine's own identity, which superusers lend.
    map(&mut client, "ambient 'true'")?;
    client.batch_execute(READ)?;
    client.batch_execute(
        "CREATE ROLE azure_user; GRANT USAGE ON FOREIGN SERVER bills TO azure_user; SET ROLE azure_user",
    )?;
    refused(
        &mut client,
        "CREATE USER MAPPING FOR azure_user SERVER bills OPTIONS (ambient 'true')",
        INSUFFICIENT_PRIVILEGE,
        "only a superuser",
        "keys",
    )?;
    Ok(())
}

fn azure_secrets_show_nowhere(env: &Env) -> Result<()> {
    let Some(azurite) = azurite()? else {
        return Ok(());
    };
    let mut client = connected(env, azurite)?;
    client.batch_execute(&format!(
        "ALTER SERVER bills OPTIONS (ADD authority_host '{}')",
        azurite.endpoint()
    ))?;
    for mapping in [
        format!("account_key '{MARKER}'"),
        format!("sas_token 'sv=2023-11-03&sr=c&sp=rl&se=2099-01-01&sig={MARKER}'"),
        format!("client_id '{MARKER}', client_secret '{MARKER}', tenant_id 'tenant'"),
        format!("vault_account_key '{MARKER}'"),
        format!("vault_sas_token '{MARKER}'"),
        format!("client_id 'a', vault_client_secret '{MARKER}', tenant_id 'tenant'"),
    ] {
        map(&mut client, &mapping)?;
        shows_no_marker(&mut client, &env.cluster, DATABASE)?;
    }
    let create = "CREATE USER MAPPING FOR PUBLIC SERVER bills OPTIONS";
    let account = azurite.account();
    let statements = [
        format!("{create} (account_key '{MARKER}-')"),
        format!("{create} (account_key 'AccountKey={MARKER}')"),
        format!("{create} (sas_token '{MARKER}')"),
        format!("{create} (sas_token 'https://a.blob.core.windows.net/c?sig={MARKER}')"),
        format!("{create} (account_key '{MARKER}', sas_token 'sig={MARKER}')"),
        format!("{create} (client_secret '{MARKER}')"),
        format!("{create} (client_id 'a', client_secret 'b', tenant_id '{MARKER}/')"),
        format!("ALTER SERVER bills OPTIONS (ADD account_key '{MARKER}')"),
        format!("ALTER SERVER bills OPTIONS (SET url 'az://bills?sig={MARKER}')"),
        format!("ALTER SERVER bills OPTIONS (SET url 'az://{MARKER}@{account}')"),
        format!(
            "ALTER SERVER bills OPTIONS (SET url 'https://{account}.blob.core.windows.net/bills?sig={MARKER}')"
        ),
        format!(
            "ALTER SERVER bills OPTIONS (SET endpoint 'https://{account}.blob.core.windows.net/?sig={MARKER}')"
        ),
        format!("ALTER FOREIGN TABLE t OPTIONS (ADD sas_token '{MARKER}')"),
    ];
    refuses_without_repeating(&env.cluster, DATABASE, &statements)?;
    // A working signature, in the plan and in what others see of the session.
    let signature = sas_token(azurite)?;
    map(&mut client, &format!("sas_token '{signature}'"))?;
    let (_, signature) = signature
        .split_once("sig=")
        .ok_or("a token has a signature")?;
    let explain = format!("EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) {READ}");
    let plan = format!("{:?}", client.simple_query(&explain)?);
    assert!(!plan.contains(&signature[..8]), "{plan}");
    // The statement that made the mapping is in the log only where somebody logs all.
    assert!(!env.cluster.log()?.contains(&signature[..8]));
    Ok(())
}
