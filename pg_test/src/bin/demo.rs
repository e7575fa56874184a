//! A Postgres with the extension and an S3 server, to look around in.

use pg_test::Result;
use pg_test::postgres::{Cluster, Installation};
use pg_test::s3::Gateway;

fn main() -> Result<()> {
    let keep = std::env::args().any(|argument| argument == "--keep");
    let installation = Installation::from_env()?;
    let gateway = Gateway::start()?;
    let cluster = Cluster::start(&installation, &[])?;
    println!(
        "Postgres {}: psql {}",
        installation.major,
        cluster.url("postgres")
    );
    println!(
        "S3: {} (access key {}, secret key {})",
        gateway.endpoint(),
        gateway.access_key(),
        gateway.secret_key()
    );
    if keep {
        println!("Both run until Enter is pressed.");
        wait_for_enter()?;
    }
    Ok(())
}

/// Waits for a line; without anyone to type one, until the process is killed.
fn wait_for_enter() -> Result<()> {
    if std::io::stdin().read_line(&mut String::new())? == 0 {
        loop {
            std::thread::park();
        }
    }
    Ok(())
}
