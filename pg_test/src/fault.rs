//! A proxy in front of a server that fails on demand.
//!
//! It passes HTTP through byte by byte, so a signature over the Host header stays valid as long as
//! client and proxy agree on that header, which they do: the client signs for the proxy's address.

use crate::Result;
use socket2::SockRef;
use std::borrow::Cow;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a waiting thread looks whether something changed.
const TICK: Duration = Duration::from_millis(5);

/// What the proxy does to connections. A number counts bytes of one response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Passes everything.
    Pass,
    /// Nothing listens, and open connections are reset.
    Refuse,
    /// Answers nothing at all, not even a status line.
    Silent,
    /// Holds the rest of the body until the fault changes or the client leaves.
    StallAfter(usize),
    /// Resets the connection in the middle of the body.
    ResetAfter(usize),
    /// Closes the connection in the middle of the body, as if it were complete.
    TruncateAfter(usize),
    /// Passes a response in pieces of this size, with a pause after each.
    Slow(usize),
    /// Answers itself, with this status, the requests whose first line contains the text.
    Answer(u16, &'static str),
    /// Passes requests with the second text behind the first, where their first line has it.
    Insert(&'static str, &'static str),
}

/// A running proxy; dropping it closes all its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    fault: Mutex<Fault>,
    /// Responses that are being held.
    stalled: AtomicUsize,
    /// Requests that were answered without the server.
    answered: AtomicUsize,
    closing: AtomicBool,
}

impl Proxy {
    /// Starts a proxy in front of `upstream`, given as `http://host:port` or `host:port`.
    pub fn start(upstream: &str) -> Result<Self> {
        let upstream = upstream
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .parse()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            fault: Mutex::new(Fault::Pass),
            stalled: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
        });
        let acceptor = std::thread::spawn({
            let shared = shared.clone();
            move || accept(address, Some(listener), &shared)
        });
        Ok(Proxy {
            address,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// The address to give to clients.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes the fault, for open connections too. After [`Fault::Refuse`] the port is free, and
    /// after anything else it is open, when this returns.
    pub fn set(&self, fault: Fault) {
        *self
            .shared
            .fault
            .lock()
            .expect("the fault's lock is never poisoned") = fault;
        let refused = fault == Fault::Refuse;
        // The acceptor owns the listener and follows within a tick.
        while crate::ports::is_open(self.address.port()) == refused {
            std::thread::sleep(TICK);
        }
    }

    /// Whether a response is being held at this moment.
    pub fn stalled(&self) -> bool {
        self.shared.stalled.load(Ordering::SeqCst) > 0
    }

    /// How many requests [`Fault::Answer`] answered so far.
    pub fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Waits until [`Self::stalled`] is as expected; false if it is not so in time.
    pub fn wait_stalled(&self, expected: bool, limit: Duration) -> bool {
        let began = std::time::Instant::now();
        while self.stalled() != expected {
            if began.elapsed() > limit {
                return false;
            }
            std::thread::sleep(TICK);
        }
        true
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        if let Some(acceptor) = self.acceptor.take() {
            // It cannot panic in a way that matters here.
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        *self
            .fault
            .lock()
            .expect("the fault's lock is never poisoned")
    }

    fn closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }
}

/// Accepts connections until the proxy is dropped; closes the port while connections are refused.
fn accept(address: SocketAddr, mut listener: Option<TcpListener>, shared: &Arc<Shared>) {
    while !shared.closing() {
        if shared.fault() == Fault::Refuse {
            listener = None;
            std::thread::sleep(TICK);
            continue;
        }
        if listener.is_none() {
            listener = TcpListener::bind(address).ok();
        }
        let accepted = listener.as_ref().and_then(|listener| {
            listener.set_nonblocking(true).ok()?;
            listener.accept().ok()
        });
        match accepted {
            Some((client, _)) => {
                let shared = shared.clone();
                std::thread::spawn(move || {
                    // A connection that fails is what this proxy is for.
                    let _ = Connection::open(client, shared).map(Connection::serve);
                });
            }
            None => std::thread::sleep(TICK),
        }
    }
}

/// One connection of a client and its counterpart to the server.
#[derive(Clone)]
struct Connection {
    client: Arc<TcpStream>,
    server: Arc<TcpStream>,
    shared: Arc<Shared>,
    /// One of the two sides is gone.
    over: Arc<AtomicBool>,
    /// Where the response is; set back by the next request on the same connection.
    position: Arc<Mutex<Position>>,
}

/// How much of a response went by: the head's last bytes, or the body's length so far.
#[derive(Clone, Copy, Debug)]
enum Position {
    /// In the head, after this many bytes of the empty line that ends it.
    Head(usize),
    /// In the body, after this many bytes.
    Body(usize),
}

impl Connection {
    fn open(client: TcpStream, shared: Arc<Shared>) -> Result<Self> {
        client.set_nonblocking(false)?;
        let server = TcpStream::connect(shared.upstream)?;
        for side in [&client, &server] {
            side.set_nodelay(true)?;
            side.set_read_timeout(Some(TICK))?;
        }
        Ok(Connection {
            client: Arc::new(client),
            server: Arc::new(server),
            shared,
            over: Arc::new(AtomicBool::new(false)),
            position: Arc::new(Mutex::new(Position::Head(0))),
        })
    }

    /// Passes both directions until one side ends.
    fn serve(self) {
        let requests = self.clone();
        std::thread::spawn(move || requests.pass_requests());
        self.pass_responses();
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst) || self.shared.closing()
    }

    fn pass_requests(&self) {
        let mut buffer = vec![0; 64 * 1024];
        while let Some(count) = self.read(&self.client, &mut buffer) {
            // A client waits for a response before its next request, so this begins a new one.
            *self.position.lock().expect("never poisoned") = Position::Head(0);
            if self.answer(&buffer[..count]).is_some() {
                continue;
            }
            let request = self.inserted(&buffer[..count]);
            if (&*self.server).write_all(&request).is_err() {
                break;
            }
        }
        self.end();
    }

    /// Answers a request, if the fault is for it.
    fn answer(&self, request: &[u8]) -> Option<()> {
        let Fault::Answer(status, part) = self.shared.fault() else {
            return None;
        };
        let line = request.split(|byte| *byte == b'\r').next()?;
        if !String::from_utf8_lossy(line).contains(part) {
            return None;
        }
        self.shared.answered.fetch_add(1, Ordering::SeqCst);
        let answer = format!("HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\n\r\n");
        (&*self.client).write_all(answer.as_bytes()).ok()
    }

    /// A piece of a request, with what the fault inserts.
    fn inserted<'a>(&self, piece: &'a [u8]) -> Cow<'a, [u8]> {
        let Fault::Insert(before, text) = self.shared.fault() else {
            return Cow::Borrowed(piece);
        };
        let end = piece.iter().position(|byte| *byte == b'\r').unwrap_or(0);
        let (line, rest) = piece.split_at(end);
        let line = String::from_utf8_lossy(line).replace(before, &format!("{before}{text}"));
        Cow::Owned([line.as_bytes(), rest].concat())
    }

    fn pass_responses(&self) {
        let mut buffer = vec![0; 64 * 1024];
        while let Some(count) = self.read(&self.server, &mut buffer) {
            if self.pass_response(&buffer[..count]).is_none() {
                break;
            }
        }
        self.end();
    }

    /// Passes a piece of a response as far as the fault lets it. None ends the connection.
    fn pass_response(&self, mut piece: &[u8]) -> Option<()> {
        while !piece.is_empty() {
            let fault = self.shared.fault();
            let allowed = match (fault, self.body_start(piece)) {
                (Fault::Pass | Fault::Answer(..) | Fault::Insert(..), _) => piece.len(),
                (Fault::Slow(size), _) => piece.len().min(size),
                (Fault::Refuse, _) => return self.reset(),
                (Fault::Silent, _) => 0,
                (
                    Fault::StallAfter(limit)
                    | Fault::ResetAfter(limit)
                    | Fault::TruncateAfter(limit),
                    (head, body_so_far),
                ) => piece.len().min(head + limit.saturating_sub(body_so_far)),
            };
            let (now, later) = piece.split_at(allowed);
            // Noted before it is sent: the client's next request sets the position back.
            self.advance(now);
            (&*self.client).write_all(now).ok()?;
            piece = later;
            if !piece.is_empty() {
                match fault {
                    Fault::ResetAfter(_) => return self.reset(),
                    Fault::TruncateAfter(_) => return None,
                    Fault::Slow(_) => std::thread::sleep(TICK),
                    _ => self.hold(fault)?,
                }
            }
        }
        Some(())
    }

    /// How many bytes of the piece belong to the head, and how much body went before the piece.
    fn body_start(&self, piece: &[u8]) -> (usize, usize) {
        match *self.position.lock().expect("never poisoned") {
            Position::Body(count) => (0, count),
            Position::Head(matched) => (head_length(piece, matched).0, 0),
        }
    }

    /// Notes that a piece was passed.
    fn advance(&self, piece: &[u8]) {
        let mut position = self.position.lock().expect("never poisoned");
        *position = match *position {
            Position::Body(count) => Position::Body(count + piece.len()),
            Position::Head(matched) => match head_length(piece, matched) {
                (head, 4) => Position::Body(piece.len() - head),
                (_, matched) => Position::Head(matched),
            },
        };
    }

    /// Waits until the fault changes. None if the connection ended meanwhile.
    fn hold(&self, fault: Fault) -> Option<()> {
        self.shared.stalled.fetch_add(1, Ordering::SeqCst);
        while self.shared.fault() == fault && !self.is_over() {
            std::thread::sleep(TICK);
        }
        self.shared.stalled.fetch_sub(1, Ordering::SeqCst);
        (!self.is_over()).then_some(())
    }

    /// Reads what is there. None when that side is closed or the connection is over.
    fn read(&self, mut side: &TcpStream, buffer: &mut [u8]) -> Option<usize> {
        loop {
            if self.is_over() {
                return None;
            }
            if self.shared.fault() == Fault::Refuse {
                self.reset();
                return None;
            }
            match side.read(buffer) {
                Ok(0) => return None,
                Ok(count) => return Some(count),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return None,
            }
        }
    }

    /// Makes the closing of the client's side a reset.
    fn reset(&self) -> Option<()> {
        // Without the option it is an ordinary close, which is a failure for the client as well.
        let _ = SockRef::from(&*self.client).set_linger(Some(Duration::ZERO));
        self.over.store(true, Ordering::SeqCst);
        None
    }

    /// Closes both sides.
    fn end(&self) {
        let abort = SockRef::from(&*self.client)
            .linger()
            .is_ok_and(|linger| linger.is_some());
        self.over.store(true, Ordering::SeqCst);
        let _ = self.server.shutdown(Shutdown::Both);
        // A shutdown would say goodbye in the orderly way; a reset comes from dropping the socket.
        if !abort {
            let _ = self.client.shutdown(Shutdown::Both);
        }
    }
}

/// How many bytes of the piece belong to a response's head of which `matched` bytes of the closing
/// empty line were already seen, and how many of those 4 are seen after it.
fn head_length(piece: &[u8], mut matched: usize) -> (usize, usize) {
    const END: &[u8; 4] = b"\r\n\r\n";
    for (index, &byte) in piece.iter().enumerate() {
        matched = match byte {
            _ if byte == END[matched] => matched + 1,
            b'\r' => 1,
            _ => 0,
        };
        if matched == END.len() {
            return (index + 1, matched);
        }
    }
    (piece.len(), matched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_ends_at_the_empty_line() {
        assert_eq!(head_length(b"A: b\r\n\r\nbody", 0), (8, 4));
        assert_eq!(head_length(b"A: b\r\n\r", 0), (7, 3));
        assert_eq!(head_length(b"\nbody", 3), (1, 4));
        assert_eq!(head_length(b"A\r\r\n\r\n", 0), (6, 4));
        assert_eq!(head_length(b"A\r\nB", 0), (4, 0));
    }

    /// A server that answers every request with a body of 1000 bytes.
    fn server() -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                std::thread::spawn(move || {
                    let mut request = [0; 1000];
                    while client.read(&mut request).is_ok_and(|count| count > 0) {
                        let body = "x".repeat(1000);
                        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
                        if client
                            .write_all(format!("{head}{body}").as_bytes())
                            .is_err()
                        {
                            break; // the fault
                        }
                    }
                });
            }
        });
        address.to_string()
    }

    const HEAD: usize = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".len();

    fn ask(client: &mut TcpStream) -> std::io::Result<usize> {
        write!(client, "GET / HTTP/1.1\r\n\r\n")?;
        let mut seen = 0;
        let mut buffer = [0; 4096];
        while seen < HEAD + 1000 {
            match client.read(&mut buffer)? {
                0 => break,
                count => seen += count,
            }
        }
        Ok(seen)
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let client = TcpStream::connect(proxy.address).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        client
    }

    #[test]
    fn a_kept_connection_counts_each_response_anew() {
        let proxy = Proxy::start(&server()).unwrap();
        let mut client = connect(&proxy);
        proxy.set(Fault::TruncateAfter(1000));
        for _ in 0..3 {
            assert_eq!(ask(&mut client).unwrap(), HEAD + 1000);
        }
        proxy.set(Fault::TruncateAfter(10));
        assert_eq!(ask(&mut client).unwrap(), HEAD + 10);
    }

    #[test]
    fn a_reset_is_a_reset() {
        let proxy = Proxy::start(&server()).unwrap();
        proxy.set(Fault::ResetAfter(10));
        let error = ask(&mut connect(&proxy)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_stalled_response_goes_on_when_the_fault_is_lifted() {
        let proxy = Proxy::start(&server()).unwrap();
        proxy.set(Fault::StallAfter(10));
        let mut client = connect(&proxy);
        let answer = std::thread::spawn(move || ask(&mut client).unwrap());
        assert!(proxy.wait_stalled(true, Duration::from_secs(5)));
        proxy.set(Fault::Pass);
        assert_eq!(answer.join().unwrap(), HEAD + 1000);
        assert!(!proxy.stalled());
    }

    #[test]
    fn a_client_that_leaves_ends_the_stall() {
        let proxy = Proxy::start(&server()).unwrap();
        proxy.set(Fault::Silent);
        let mut client = connect(&proxy);
        write!(client, "GET / HTTP/1.1\r\n\r\n").unwrap();
        assert!(proxy.wait_stalled(true, Duration::from_secs(5)));
        drop(client);
        assert!(proxy.wait_stalled(false, Duration::from_secs(5)));
    }

    #[test]
    fn a_refusing_proxy_can_come_back() {
        let proxy = Proxy::start(&server()).unwrap();
        let mut kept = connect(&proxy);
        assert_eq!(ask(&mut kept).unwrap(), HEAD + 1000);
        proxy.set(Fault::Refuse);
        assert!(ask(&mut kept).is_err());
        let refused = TcpStream::connect(proxy.address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        proxy.set(Fault::Pass);
        assert_eq!(ask(&mut connect(&proxy)).unwrap(), HEAD + 1000);
    }
}
