//! Bills in Google Cloud Storage, against a stand-in that speaks its XML API.

use crate::env::{Env, Test, tests};
use crate::fixture;
use crate::generated::two_deliveries;
use crate::refusals::*;
use crate::store_checks::*;
use pg_test::Result;
use pg_test::bills::{MonthBill, samples};
use pg_test::gcs::{Gcs, READER, STRANGER};
use pg_test::keys::RsaKey;
use pg_test::postgres::Cluster;
use postgres::Client;
use serde_json::json;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::OnceLock;

pub const TESTS: &[Test] = tests![
    gcs_bills_are_read_with_a_service_account,
    gcs_exports_are_read_where_they_are_landed,
    gcs_file_overwritten_while_it_is_read,
    gcs_refusals_say_what_to_do,
    gcs_key_cannot_name_a_host_or_go_unsigned,
    gcs_bills_are_read_with_the_machines_identity,
    gcs_secrets_show_nowhere,
];

const DATABASE: &str = "gcs";
const BUCKET: &str = "my_bills.example";

fn bill() -> &'static MonthBill {
    static BILL: OnceLock<MonthBill> = OnceLock::new();
    BILL.get_or_init(|| fixture::press().month(2025, 9, 0))
}

/// The key of all service accounts here.
fn key() -> Result<&'static RsaKey> {
    static KEY: OnceLock<RsaKey> = OnceLock::new();
    if KEY.get().is_none() {
        // Its files are read here and nowhere else.
        let directory = tempfile::tempdir()?;
        let made = RsaKey::generate(directory.path())?;
        let pem = made.pem()?;
        PEM.get_or_init(|| pem);
        KEY.get_or_init(|| made);
    }
    Ok(KEY.get().ok_or("just made")?)
}

static PEM: OnceLock<String> = OnceLock::new();

/// The file that Google makes for a key of a service account.
fn file(account: &str) -> Result<serde_json::Value> {
    key()?;
    Ok(json!({
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "key-1",
        "private_key": PEM.get(),
        "client_email": account,
        "client_id": "1",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    }))
}

fn mapping(file: &serde_json::Value) -> String {
    format!(
        "service_account_key '{}'",
        file.to_string().replace('\'', "''")
    )
}

/// A store with [`bill`], of which a page of a listing shows two objects.
fn store() -> Result<Gcs> {
    let gcs = Gcs::start(BUCKET, 2, key()?)?;
    for (key, bytes) in objects(bill()) {
        gcs.put(&key, bytes);
    }
    Ok(gcs)
}

fn server(gcs: &Gcs) -> String {
    format!(
        "CREATE SERVER bills FOREIGN DATA WRAPPER cur_fdw OPTIONS \
           (url 'gs://{BUCKET}', endpoint '{}', allow_http 'true')",
        gcs.endpoint()
    )
}

/// A database with the server `bills`, the reader's key in the mapping, and the foreign table `t`.
fn connected(env: &Env, gcs: &Gcs) -> Result<Client> {
    let mut client = env.database_with_extension(DATABASE)?;
    client.batch_execute(&server(gcs))?;
    map(&mut client, &mapping(&file(READER)?))?;
    table(&mut client)?;
    Ok(client)
}

fn gcs_bills_are_read_with_a_service_account(env: &Env) -> Result<()> {
    let gcs = store()?;
    let mut client = connected(env, &gcs)?;
    reads_everything(&mut client, std::slice::from_ref(bill()))?;
    let requests = gcs.requests();
    assert!(requests.iter().all(|r| r.status < 300), "{requests:?}");
    let listings = |r: &&pg_test::s3::Request| r.query.contains("continuation-token=");
    assert!(requests.iter().filter(listings).count() > 1, "{requests:?}");
    assert!(requests.iter().any(|r| r.status == 206), "ranges are read");
    Ok(())
}

fn gcs_exports_are_read_where_they_are_landed(env: &Env) -> Result<()> {
    let put = |gcs: &Gcs, bill: &MonthBill| {
        for (key, bytes) in objects(bill) {
            gcs.put(&key, bytes);
        }
        Ok(())
    };
    for sample in samples() {
        if !["gcp-detailed-parquet", "gcp-detailed-csv"].contains(&sample.name) {
            continue;
        }
        let bill = sample.report.month(2025, 9, 0);
        let gcs = Gcs::start(BUCKET, 2, key()?)?;
        put(&gcs, &bill)?;
        let mut client = env.database_with_extension(DATABASE)?;
        client.batch_execute(&server(&gcs))?;
        map(&mut client, &mapping(&file(READER)?))?;
        two_deliveries(&mut client, &sample, &bill, |bill| put(&gcs, bill))
            .map_err(|error| format!("{}: {}", sample.name, crate::describe(&*error)))?;
    }
    Ok(())
}

fn gcs_file_overwritten_while_it_is_read(env: &Env) -> Result<()> {
    let gcs = store()?;
    let mut client = connected(env, &gcs)?;
    notices_an_overwritten_file(&mut client, || {
        for (key, bytes) in objects(bill()) {
            gcs.put(&key, bytes);
        }
        Ok(())
    })
}

fn gcs_refusals_say_what_to_do(env: &Env) -> Result<()> {
    let gcs = store()?;
    let mut client = connected(env, &gcs)?;
    map(&mut client, &mapping(&file(STRANGER)?))?;
    let code = INVALID_AUTHORIZATION;
    refused(
        &mut client,
        READ,
        code,
        "AccessDenied",
        "roles/storage.objectViewer",
    )?;
    // Signed with a key that Google does not know by that id.
    let mut forged = file(READER)?;
    forged["private_key_id"] = json!("key-2");
    map(&mut client, &mapping(&forged))?;
    refused(
        &mut client,
        READ,
        code,
        "AuthenticationRequired",
        "service_account_key",
    )?;
    map(&mut client, &mapping(&file(READER)?))?;
    client.batch_execute("ALTER SERVER bills OPTIONS (SET url 'gs://missing')")?;
    refused(
        &mut client,
        READ,
        UNDEFINED_FILE,
        "gs://missing does not exist",
        "url",
    )?;
    // A mapping for another store.
    map(&mut client, "access_key_id 'a', secret_access_key 'b'")?;
    let message = "\"access_key_id\" of the user mapping";
    let hint = "service_account_key";
    refused(&mut client, READ, FDW_INVALID_OPTION_NAME, message, hint)?;
    client.batch_execute("DROP USER MAPPING FOR CURRENT_USER SERVER bills")?;
    refused(&mut client, READ, "42704", "no user mapping", hint)?;
    Ok(())
}

fn gcs_key_cannot_name_a_host_or_go_unsigned(env: &Env) -> Result<()> {
    let gcs = store()?;
    let elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    elsewhere.set_nonblocking(true)?;
    let mut client = connected(env, &gcs)?;
    // Two fields that the client library obeys and Google does not define.
    let mut own = file(READER)?;
    own["gcs_base_url"] = json!(format!("http://{}", elsewhere.local_addr()?));
    own["disable_oauth"] = json!(true);
    map(&mut client, &mapping(&own))?;
    client.batch_execute(READ)?;
    let asked = elsewhere.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(asked, Err(std::io::ErrorKind::WouldBlock));
    Ok(())
}

fn gcs_bills_are_read_with_the_machines_identity(env: &Env) -> Result<()> {
    let gcs = store()?;
    let host = gcs.endpoint().replace("http://", "");
    let environment = [
        ("GCE_METADATA_HOST", host.as_str()),
        ("HOME", "/nonexistent"),
    ];
    let cluster = Cluster::start_with(&env.installation, &[], &environment)?;
    let mut client = cluster.client("postgres")?;
    client.batch_execute("CREATE EXTENSION cur_fdw")?;
    client.batch_execute(&server(&gcs))?;
    table(&mut client)?;
    map(&mut client, "ambient 'true'")?;
    for _ in 0..2 {
        client.batch_execute(READ)?;
    }
    let requests = gcs.requests();
    let asked = requests.iter().filter(|r| r.path.ends_with("/token"));
    assert_eq!(asked.count(), 1, "the token is kept: {requests:?}");
    assert!(requests.iter().all(|r| r.status < 300), "{requests:?}");
    Ok(())
}

fn gcs_secrets_show_nowhere(env: &Env) -> Result<()> {
    let gcs = store()?;
    let mut client = connected(env, &gcs)?;
    // The stand-in repeats the token in its refusal; its parts begin with what the mapping says.
    let mut forged = file(&format!("{MARKER}@project.iam.gserviceaccount.com"))?;
    forged["private_key_id"] = json!(MARKER);
    for mapping in [
        mapping(&forged),
        format!("vault_service_account_key '{MARKER}'"),
    ] {
        map(&mut client, &mapping)?;
        shows_no_marker(&mut client, &env.cluster, DATABASE)?;
        let error = error_of(&mut client, READ)?;
        assert!(
            !format!("{error:?}").contains("eyJ"),
            "a token shows: {error:?}"
        );
    }
    let create = "CREATE USER MAPPING FOR PUBLIC SERVER bills OPTIONS";
    let mut bad_pem = file(READER)?;
    bad_pem["private_key"] = json!(format!("-----BEGIN PRIVATE KEY-----\n{MARKER}\n"));
    let statements = [
        format!("{create} (service_account_key '{MARKER}')"),
        format!("{create} (service_account_key '{{\"private_key\": \"{MARKER}\"}}')"),
        format!("{create} ({})", mapping(&bad_pem)),
        format!("{create} (service_acount_key '{MARKER}')"),
        format!("ALTER SERVER bills OPTIONS (ADD service_account_key '{MARKER}')"),
        format!("ALTER SERVER bills OPTIONS (SET url 'gs://{MARKER}@b')"),
    ];
    refuses_without_repeating(&env.cluster, DATABASE, &statements)
}
