//! Free TCP ports.

use crate::{Result, process};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// How long a server may take to come up.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A port of 127.0.0.1 that nothing listens on at this moment.
pub fn free() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// Whether something accepts connections on a port of 127.0.0.1.
pub fn is_open(port: u16) -> bool {
    TcpStream::connect_timeout(
        &(Ipv4Addr::LOCALHOST, port).into(),
        Duration::from_millis(200),
    )
    .is_ok()
}

/// Waits until a server accepts connections on its port of 127.0.0.1. Where it ended or is late, the
/// error has the end of its log.
pub fn wait_open(port: u16, what: &str, server: &mut Child, log: &Path) -> Result<()> {
    let began = Instant::now();
    while !is_open(port) {
        if server.try_wait()?.is_some() || began.elapsed() > START_LIMIT {
            // It may have ended already.
            let _ = server.kill();
            return Err(format!("{what} did not come up:\n{}", process::tail(log)).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
