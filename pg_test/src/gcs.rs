//! A stand-in for Google Cloud Storage, for which no emulator could be had.
//!
//! It speaks what reading takes of the XML API, as Google documents it ("XML API reference", GET
//! Bucket and GET Object): pages of a listing, ranges, conditions, errors. It checks the signature
//! of every access token, and lends tokens as the metadata server of a machine does.

use crate::s3::{Request, percent_decoded};
use crate::{Result, keys::RsaKey};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The service account that may read.
pub const READER: &str = "reader@project.iam.gserviceaccount.com";
/// A service account that is known and may not read.
pub const STRANGER: &str = "stranger@project.iam.gserviceaccount.com";
/// The token that the metadata server lends.
const LENT: &str = "ya29.lent-to-the-machine";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct Gcs {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bucket: String,
    /// Objects on one page of a listing.
    page: usize,
    public_key: Vec<u8>,
    objects: Mutex<BTreeMap<String, Object>>,
    generation: AtomicU64,
    requests: Mutex<Vec<Request>>,
    closing: AtomicBool,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Arc<Vec<u8>>,
    generation: u64,
}

impl Object {
    fn etag(&self) -> String {
        format!("\"etag-{}\"", self.generation)
    }

    /// The time of its making on the first of November 2025: each a second after the one before.
    fn time(&self) -> String {
        let second = self.generation % 86_400;
        format!(
            "{:02}:{:02}:{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}

/// An answer: status, headers and body.
struct Answer(u16, Vec<(&'static str, String)>, Vec<u8>);

impl Gcs {
    /// Starts a server with one empty bucket, for service accounts with this key.
    pub fn start(bucket: &str, page: usize, key: &RsaKey) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            bucket: bucket.to_owned(),
            page,
            public_key: key.public.clone(),
            objects: Mutex::default(),
            generation: AtomicU64::new(86_400_000),
            requests: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        std::thread::spawn({
            let shared = shared.clone();
            move || {
                for client in listener.incoming().flatten() {
                    if shared.closing.load(Ordering::SeqCst) {
                        break;
                    }
                    let shared = shared.clone();
                    // A connection that fails concerns its client alone.
                    std::thread::spawn(move || shared.serve(&client).ok());
                }
            }
        });
        Ok(Gcs { address, shared })
    }

    /// The address to give to clients: `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Writes an object.
    pub fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        let object = Object {
            bytes: Arc::new(bytes.into()),
            generation: self.shared.generation.fetch_add(1, Ordering::SeqCst),
        };
        self.shared.objects().insert(key.to_owned(), object);
    }

    /// The requests answered so far, those for tokens included.
    pub fn requests(&self) -> Vec<Request> {
        let requests = self.shared.requests.lock();
        requests.expect("never poisoned").clone()
    }
}

impl Drop for Gcs {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; it may be gone already.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Object>> {
        self.objects.lock().expect("never poisoned")
    }

    /// Answers the requests of one connection.
    fn serve(&self, client: &TcpStream) -> Result<()> {
        client.set_nodelay(true)?;
        client.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut reader = BufReader::new(client);
        loop {
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                match line.trim_end() {
                    "" => break,
                    line => head.push(line.to_owned()),
                }
            }
            let answer = self.answer(&head);
            self.respond(client, answer)?;
        }
    }

    fn respond(&self, mut client: &TcpStream, answer: Answer) -> Result<()> {
        let Answer(status, headers, body) = answer;
        let mut head = format!(
            "HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n")?;
        }
        head += "\r\n";
        client.write_all(head.as_bytes())?;
        Ok(client.write_all(&body)?)
    }

    fn answer(&self, head: &[String]) -> Answer {
        let mut line = head.first().map_or("", String::as_str).split(' ');
        let method = line.next().unwrap_or_default();
        let target = line.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |name: &str| {
            let mut headers = head.iter().filter_map(|line| line.split_once(": "));
            headers
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        let answer = match (method, path) {
            ("GET", "/computeMetadata/v1/instance/service-accounts/default/token") => {
                lend(header("metadata-flavor"))
            }
            ("GET", path) => match self.check(header("authorization")) {
                Some(refusal) => refusal,
                None => self.read(path, query, header("range"), header("if-match")),
            },
            _ => refusal(405, "MethodNotAllowed", ""),
        };
        let request = Request {
            method: method.to_owned(),
            path: percent_decoded(path),
            query: query.to_owned(),
            status: answer.0,
            bytes: answer.2.len() as u64,
            range: header("range").map(str::to_owned),
        };
        let mut requests = self.requests.lock().expect("never poisoned");
        requests.push(request);
        answer
    }

    /// The refusal of a request that shows no token, a forged one, or one of somebody else's.
    fn check(&self, authorization: Option<&str>) -> Option<Answer> {
        let Some(authorization) = authorization else {
            return Some(refusal(401, "AuthenticationRequired", ""));
        };
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        if token == LENT {
            return None;
        }
        match self.issuer(token).as_deref() {
            Some(READER) => None,
            Some(_) => Some(refusal(403, "AccessDenied", authorization)),
            // The real one repeats the request in some of its errors. Here it always does.
            None => Some(refusal(401, "AuthenticationRequired", authorization)),
        }
    }

    /// Who signed a token (Google Identity, "Service account authorization without OAuth": a JWT
    /// with the header's `alg` RS256, `iss` and `sub` the account, at most an hour valid).
    fn issuer(&self, token: &str) -> Option<String> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let decoded = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key)
            .verify(message.as_bytes(), &decoded(signature)?)
            .ok()?;
        let header: Value = serde_json::from_slice(&decoded(header)?).ok()?;
        let claims: Value = serde_json::from_slice(&decoded(claims)?).ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let (from, to) = (claims["iat"].as_u64()?, claims["exp"].as_u64()?);
        let valid = header["alg"] == "RS256"
            && header["kid"] == "key-1"
            && claims["iss"] == claims["sub"]
            && claims["scope"] == SCOPE
            && from <= now + 60
            && now < to
            && to - from <= 3600;
        valid.then(|| claims["iss"].as_str().map(str::to_owned))?
    }

    fn read(&self, path: &str, query: &str, range: Option<&str>, if_match: Option<&str>) -> Answer {
        let path = percent_decoded(path.trim_start_matches('/'));
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        if bucket != self.bucket {
            return refusal(404, "NoSuchBucket", "");
        }
        if key.is_empty() {
            return self.list(query);
        }
        let Some(object) = self.objects().get(key).cloned() else {
            return refusal(404, "NoSuchKey", "");
        };
        if if_match.is_some_and(|etag| etag != object.etag()) {
            return refusal(412, "PreconditionFailed", "");
        }
        let length = object.bytes.len();
        let mut headers = vec![
            ("ETag", object.etag()),
            (
                "Last-Modified",
                format!("Sat, 01 Nov 2025 {} GMT", object.time()),
            ),
            ("x-goog-generation", object.generation.to_string()),
        ];
        let Some(range) = range else {
            return Answer(200, headers, object.bytes.to_vec());
        };
        let asked = range.strip_prefix("bytes=").and_then(|r| r.split_once('-'));
        let asked = asked.and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        match asked {
            Some((from, to)) if from <= to && from < length => {
                let to = (length - 1).min(to);
                headers.push(("Content-Range", format!("bytes {from}-{to}/{length}")));
                Answer(206, headers, object.bytes[from..=to].to_vec())
            }
            _ => refusal(416, "InvalidRange", ""),
        }
    }

    /// One page of the objects under a prefix ("List objects V2"); the token is the last key.
    fn list(&self, query: &str) -> Answer {
        let parameter = |name: &str| {
            let mut parameters = query.split('&').filter_map(|p| p.split_once('='));
            let found = parameters.find(|(found, _)| *found == name);
            found.map(|(_, value)| percent_decoded(&value.replace('+', " ")))
        };
        let prefix = parameter("prefix").unwrap_or_default();
        let after = parameter("continuation-token").unwrap_or_default();
        let objects = self.objects();
        let mut found = objects
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix) && **key > after);
        let mut listed = String::new();
        let mut last = "";
        for (key, object) in found.by_ref().take(self.page) {
            last = key;
            listed += &format!(
                "<Contents><Key>{}</Key><Generation>{}</Generation>\
                 <LastModified>2025-11-01T{}.000Z</LastModified>\
                 <ETag>{}</ETag><Size>{}</Size></Contents>",
                escaped(key),
                object.generation,
                object.time(),
                escaped(&object.etag()),
                object.bytes.len()
            );
        }
        let more = match found.next() {
            Some(_) => format!(
                "<NextContinuationToken>{}</NextContinuationToken>",
                escaped(last)
            ),
            None => String::new(),
        };
        let document = format!(
            "<?xml version='1.0' encoding='UTF-8'?>\
             <ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'>\
             <Name>{}</Name><Prefix>{}</Prefix>{more}<IsTruncated>{}</IsTruncated>{listed}\
             </ListBucketResult>",
            self.bucket,
            escaped(&prefix),
            !more.is_empty()
        );
        Answer(200, Vec::new(), document.into_bytes())
    }
}

/// What the metadata server says to whoever knows its header (Compute Engine, "Authenticate
/// workloads using service accounts").
fn lend(flavor: Option<&str>) -> Answer {
    if flavor != Some("Google") {
        return refusal(403, "Forbidden", "");
    }
    let token = serde_json::json!({
        "access_token": LENT, "expires_in": 3599, "token_type": "Bearer"
    });
    Answer(200, Vec::new(), token.to_string().into_bytes())
}

fn refusal(status: u16, code: &str, details: &str) -> Answer {
    let document = format!(
        "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>No.</Message>\
         <Details>{}</Details></Error>",
        escaped(details)
    );
    Answer(status, Vec::new(), document.into_bytes())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
