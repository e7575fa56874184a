//! Free TCP ports.

use crate::Result;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

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
