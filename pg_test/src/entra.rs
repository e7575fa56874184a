//! Entra ID and the identity service of a machine, as far as tokens go.

use crate::Result;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Entra ID and the identity service of a machine, as far as tokens go: the emulator does not check
/// who signed one, but what it says.
pub struct Issuer {
    /// `http://127.0.0.1:port`.
    pub address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    /// Starts it on a free port.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = format!("http://{}", listener.local_addr()?);
        let requests = Arc::<Mutex<Vec<String>>>::default();
        std::thread::spawn({
            let requests = requests.clone();
            move || {
                for connection in listener.incoming().flatten() {
                    // A connection that fails concerns its client alone.
                    let _ = answer(connection, &requests);
                }
            }
        });
        Ok(Issuer { address, requests })
    }

    /// How often it was asked.
    pub fn requests(&self) -> usize {
        self.requests.lock().expect("never poisoned").len()
    }
}

fn answer(mut connection: TcpStream, requests: &Mutex<Vec<String>>) -> Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = String::new();
    // A request for a token is small, but its body may come in a piece of its own.
    while !request.contains("client_credentials") && !request.contains("GET ") {
        let mut piece = [0; 8192];
        let count = connection.read(&mut piece)?;
        if count == 0 {
            break;
        }
        request += &String::from_utf8_lossy(&piece[..count]);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let token = token(now);
    let of_application = request.starts_with("POST /tenant-1/oauth2/v2.0/token ")
        && request.contains("client_id=app-1&")
        && request.contains("scope=https%3A%2F%2Fstorage.azure.com%2F.default&");
    let (status, body) = if of_application && request.contains("client_secret=right&") {
        let body = format!("{{\"access_token\":\"{token}\",\"expires_in\":3599}}");
        ("200 OK", body)
    } else if of_application {
        // The real one names the application; this one repeats the secret, too.
        let body = format!(
            "{{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client \
             secret provided: {}\"}}",
            request.lines().last().unwrap_or_default()
        );
        ("401 Unauthorized", body)
    } else if request.starts_with("GET /identity?")
        && request.contains("resource=https%3A%2F%2Fstorage.azure.com")
        && request.to_lowercase().contains("x-identity-header: hush")
    {
        let end = now + 3600;
        let body = format!("{{\"access_token\":\"{token}\",\"expires_on\":\"{end}\"}}");
        ("200 OK", body)
    } else {
        ("404 Not Found", String::new())
    };
    requests.lock().expect("never poisoned").push(request);
    write!(
        connection,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}

/// A token as Entra ID's are, but for its signature.
fn token(now: u64) -> String {
    let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
    let (from, to) = (now - 60, now + 3600);
    let claims = format!(
        "{{\"aud\":\"https://storage.azure.com\",\"iss\":\"https://sts.windows.net/tenant-1/\",\
         \"iat\":{from},\"nbf\":{from},\"exp\":{to}}}"
    );
    let header = encode("{\"alg\":\"RS256\",\"typ\":\"JWT\"}".to_owned());
    format!("{header}.{}.{}", encode(claims), encode("none".to_owned()))
}
