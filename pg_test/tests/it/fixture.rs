//! Bills in a bucket, and a server in the database that reads them.

use crate::env::{Env, skip};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use pg_test::Result;
use pg_test::bills::{BillFile, MonthBill, Report};
use postgres::Client;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The prefix under which [`Report::press`] delivers.
pub const PRESS: &str = "cup/CUP-Cost-Usage-Report";

/// A small report that has everything: three months, several files each.
pub fn press() -> Report {
    Report {
        rows_per_month: 1_600,
        rows_per_file: 700,
        ..Report::press()
    }
}

/// Writes a month's delivery into a bucket, which is made if need be.
pub fn upload(env: &Env, bucket: &str, bill: &MonthBill) -> Result<()> {
    env.gateway.create_bucket(bucket)?;
    let files = bill.files.iter();
    let (manifests, data): (Vec<_>, Vec<_>) = files.partition(|file| file.key.ends_with(".json"));
    let object = |file: &BillFile| (file.key.clone(), file.bytes.clone());
    env.gateway.put_all(bucket, data.into_iter().map(object))?;
    // The manifests come last, as from AWS, and in their order: the newest counts.
    for manifest in manifests {
        env.gateway
            .put(bucket, &manifest.key, manifest.bytes.clone())?;
    }
    Ok(())
}

/// An empty bucket of that name.
pub fn empty_bucket(env: &Env, bucket: &str) -> Result<()> {
    env.gateway.create_bucket(bucket)?;
    for key in env.gateway.list(bucket, "")? {
        env.gateway.delete(bucket, &key)?;
    }
    Ok(())
}

/// A database and an empty bucket of one name, the one reading the other.
pub fn connected(env: &Env, name: &str) -> Result<Client> {
    empty_bucket(env, name)?;
    let mut client = env.database_with_extension(name)?;
    connect(&mut client, env, name)?;
    Ok(client)
}

/// The export at [`PRESS`] as the foreign table `t`.
pub fn import_press(client: &mut Client) -> Result<()> {
    Ok(client.batch_execute(&format!(
        "IMPORT FOREIGN SCHEMA \"{PRESS}\" FROM SERVER bills INTO public; \
         ALTER FOREIGN TABLE cup_cost_usage_report RENAME TO t"
    ))?)
}

/// The server `bills` over a bucket, and a mapping of the current user.
pub fn connect(client: &mut Client, env: &Env, bucket: &str) -> Result<()> {
    connect_through(client, env, bucket, &env.gateway.endpoint())
}

/// [`connect`] through another address, such as a proxy's.
pub fn connect_through(client: &mut Client, env: &Env, bucket: &str, endpoint: &str) -> Result<()> {
    client.batch_execute(&format!(
        "CREATE SERVER bills FOREIGN DATA WRAPPER cur_fdw OPTIONS \
           (url 's3://{bucket}', endpoint '{endpoint}', allow_http 'true', region 'us-east-1')"
    ))?;
    client.batch_execute(&mapping(env, "CURRENT_USER"))?;
    Ok(())
}

/// The prefix of [`write_numbers`].
pub const NUMBERS: &str = "numbers/Report";

/// An export of one month and one tiny file in a directory: `x` counts from 1, `name` says so.
pub fn write_numbers(directory: &Path, rows: i64) -> Result<()> {
    let folder = directory.join("numbers/Report/Report/year=2025/month=9");
    std::fs::create_dir_all(&folder)?;
    let names = (1..=rows).map(|x| format!("number {x}"));
    let columns: [(&str, ArrayRef); 2] = [
        ("x", Arc::new(Int64Array::from_iter_values(1..=rows))),
        ("name", Arc::new(StringArray::from_iter_values(names))),
    ];
    let batch = RecordBatch::try_from_iter(columns)?;
    Ok(std::fs::write(
        folder.join("numbers.parquet"),
        parquet(&batch)?,
    )?)
}

/// A batch as a Parquet file.
pub fn parquet(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None)?;
    writer.write(batch)?;
    writer.close()?;
    Ok(bytes)
}

/// The server `bills` over a directory.
pub fn connect_directory(client: &mut Client, directory: &Path) -> Result<()> {
    Ok(client.batch_execute(&format!(
        "CREATE SERVER bills FOREIGN DATA WRAPPER cur_fdw OPTIONS (url 'file://{}')",
        directory.display()
    ))?)
}

/// A folder of bills that others made, below the one that `CUR_FDW_REAL_BILLS` names; they are not ours
/// to hand on. None, with a word about it, where a file is missing.
pub fn of_others(folder: &str, files: &[&str]) -> Option<PathBuf> {
    let Some(all) = std::env::var_os("CUR_FDW_REAL_BILLS") else {
        skip("CUR_FDW_REAL_BILLS names no bills of others");
        return None;
    };
    let folder = PathBuf::from(all).join(folder);
    let missing = files.iter().find(|file| !folder.join(file).is_file());
    if let Some(file) = missing {
        skip(format!(
            "there is no {} (CUR_FDW_REAL_BILLS)",
            folder.join(file).display()
        ));
        return None;
    }
    Some(folder)
}

/// The statement that gives a role the gateway's keys.
pub fn mapping(env: &Env, role: &str) -> String {
    format!(
        "CREATE USER MAPPING FOR {role} SERVER bills OPTIONS \
           (access_key_id '{}', secret_access_key '{}')",
        env.gateway.access_key(),
        env.gateway.secret_key()
    )
}

/// The source `press` over the export at [`PRESS`].
pub fn add_press(client: &mut Client) -> Result<()> {
    client.query_one(
        "SELECT cost_analytics.cost_add_source('press', server => 'bills', prefix => $1)",
        &[&PRESS],
    )?;
    Ok(())
}

/// A database with the extension, its server over a bucket of the same name with these bills, and
/// the source `press`.
pub fn synced_later(env: &Env, name: &str, bills: &[MonthBill]) -> Result<Client> {
    empty_bucket(env, name)?;
    for bill in bills {
        upload(env, name, bill)?;
    }
    let mut client = env.database_with_extension(name)?;
    connect(&mut client, env, name)?;
    add_press(&mut client)?;
    Ok(client)
}

/// Loads everything that is new.
pub fn sync(client: &mut Client) -> Result<()> {
    // In a query of its own: a procedure that commits runs in no transaction block.
    client.batch_execute("CALL cost_analytics.cost_sync()")?;
    Ok(())
}

/// How long what must happen may take, also on a slow machine.
pub const LATE: Duration = Duration::from_secs(60);

/// Looks until something has come.
pub fn wait_for(what: &str, mut come: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !come()? {
        if began.elapsed() > LATE {
            return Err(format!("this never happened: {what}").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Looks, in this session, until that of the process waits for a lock.
pub fn wait_until_locked(client: &mut Client, pid: i32) -> Result<()> {
    let waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1";
    wait_for("the other session waits for a lock", || {
        let row = client.query_one(waits, &[&pid])?;
        Ok(row.get::<_, Option<bool>>(0) == Some(true))
    })
}

/// The process of the client's session.
pub fn pid(client: &mut Client) -> Result<i32> {
    Ok(client.query_one("SELECT pg_backend_pid()", &[])?.get(0))
}

/// A month as SQL writes it.
pub fn period(bill: &MonthBill) -> String {
    format!("{:04}-{:02}-01", bill.year, bill.month)
}
