//! A throwaway S3 server: Ceph's object gateway over an object store in memory.

use crate::process::{self, User};
use crate::{Result, objects, ports};
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::signer::Signer;
use object_store::{ObjectStore, ObjectStoreExt};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const ACCESS_KEY: &str = "AKTEST00000000000000";
const SECRET_KEY: &str = "SKTEST-secret-00000000000000000000000000";
/// Requests for this path are the gateway's own, see [`Gateway::settle`].
const MARKER: &str = "/request-log-marker-";

/// A request as the server's access log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// GET, HEAD, PUT, …
    pub method: String,
    /// `/bucket/key`, decoded, without the query.
    pub path: String,
    /// What follows the question mark, as sent.
    pub query: String,
    /// The status of the response.
    pub status: u16,
    /// The bytes of the response's body.
    pub bytes: u64,
    /// The Range header, such as `bytes=0-99`.
    pub range: Option<String>,
}

/// A running server; dropping it ends its processes and forgets its data.
#[derive(Debug)]
pub struct Gateway {
    port: u16,
    /// In the order of their start: monitor, storage, gateway.
    _servers: Servers,
    runtime: Runtime,
    markers: AtomicU64,
    // The last field, for the files must go after the servers.
    directory: TempDir,
}

impl Gateway {
    /// Starts a server on a free port; this takes some seconds.
    pub fn start() -> Result<Self> {
        let user = User::for_servers()?;
        let directory = process::directory("cur_fdw-s3-", user)?;
        let port = ports::free()?;
        let mut ceph = Ceph {
            root: directory.path(),
            user,
            servers: Servers(Vec::new()),
        };
        ceph.configure(port, ports::free()?)?;
        ceph.start_monitor()?;
        ceph.start_storage()?;
        ceph.start_gateway(port)?;
        let servers = ceph.servers;
        Ok(Gateway {
            port,
            _servers: servers,
            runtime: objects::runtime()?,
            markers: AtomicU64::new(0),
            directory,
        })
    }

    /// The address to give to clients: `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The access key id that may do everything.
    pub fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    /// The secret of [`Self::access_key`].
    pub fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    /// A client for one bucket.
    pub fn store(&self, bucket: &str) -> Result<AmazonS3> {
        store(&self.endpoint(), bucket, SECRET_KEY)
    }

    /// Makes a role that [`Self::access_key`] may assume through the gateway's STS, and that may do
    /// everything. Returns its ARN.
    pub fn create_role(&self, name: &str) -> Result<String> {
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
            "Principal":{"AWS":["arn:aws:iam:::user/tester"]},"Action":["sts:AssumeRole"]}]}"#;
        let permissions = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
            "Action":["s3:*"],"Resource":"arn:aws:s3:::*"}]}"#;
        let role = format!("--role-name={name}");
        let policy = format!("--assume-role-policy-doc={trust}");
        self.admin(&["role", "create", &role, "--path=/", &policy])?;
        let policy = format!("--policy-doc={permissions}");
        self.admin(&["role-policy", "put", &role, "--policy-name=all", &policy])?;
        Ok(format!("arn:aws:iam:::role/{name}"))
    }

    fn admin(&self, arguments: &[&str]) -> Result<()> {
        let mut command = process::command("timeout", User::for_servers()?);
        command.args(["90", "radosgw-admin"]).args(arguments);
        command.env("CEPH_CONF", self.directory.path().join("ceph.conf"));
        process::output(&mut command).map(drop)
    }

    /// Makes a bucket, if it is not there yet.
    pub fn create_bucket(&self, name: &str) -> Result<()> {
        let store = self.store(name)?;
        // The object store's client makes no buckets, but it signs: the address of the empty key is
        // that of the bucket.
        let put = "PUT".parse()?;
        let url = self.runtime.block_on(store.signed_url(
            put,
            &Key::default(),
            Duration::from_secs(60),
        ))?;
        let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        match self.request("PUT", &target)? {
            200 => Ok(()),
            status => Err(format!("cannot make bucket {name}: status {status}").into()),
        }
    }

    /// Writes an object.
    pub fn put(&self, bucket: &str, key: &str, bytes: impl Into<Vec<u8>>) -> Result<()> {
        let store = self.store(bucket)?;
        self.runtime
            .block_on(store.put(&Key::parse(key)?, bytes.into().into()))?;
        Ok(())
    }

    /// Writes many objects, several at a time.
    pub fn put_all(
        &self,
        bucket: &str,
        objects: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<()> {
        objects::put_all(&self.runtime, self.store(bucket)?, objects)
    }

    /// Reads an object.
    pub fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>> {
        get(&self.endpoint(), bucket, key, SECRET_KEY)
    }

    /// Deletes an object.
    pub fn delete(&self, bucket: &str, key: &str) -> Result<()> {
        let store = self.store(bucket)?;
        self.runtime.block_on(store.delete(&Key::parse(key)?))?;
        Ok(())
    }

    /// The keys under a prefix (whole path segments), sorted.
    pub fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>> {
        let store = self.store(bucket)?;
        let prefix = Key::parse(prefix)?;
        let mut keys: Vec<String> = self.runtime.block_on(async {
            store
                .list(Some(&prefix))
                .map_ok(|object| object.location.to_string())
                .try_collect()
                .await
        })?;
        keys.sort();
        Ok(keys)
    }

    /// A place in the access log, for [`Self::requests_since`].
    pub fn mark(&self) -> Result<u64> {
        self.settle()?;
        Ok(fs::metadata(self.log_file())?.len())
    }

    /// The requests that were answered since the mark.
    pub fn requests_since(&self, mark: u64) -> Result<Vec<Request>> {
        self.settle()?;
        let log = fs::read(self.log_file())?;
        let since = log
            .get(usize::try_from(mark)?..)
            .ok_or("the access log has shrunk")?;
        Ok(String::from_utf8_lossy(since)
            .lines()
            .filter_map(parse_access)
            .filter(|request| !request.path.starts_with(MARKER))
            .collect())
    }

    /// Waits until the requests that were answered so far are in the log.
    ///
    /// The line of a request is written after its response, so a client may know its answer first.
    /// A request of our own is sent and awaited in the log; the rest is a short grace.
    fn settle(&self) -> Result<()> {
        let marker = format!("{MARKER}{}", self.markers.fetch_add(1, Ordering::Relaxed));
        self.request("GET", &marker)?;
        let logged = format!("\"GET {marker} ");
        let began = Instant::now();
        while !String::from_utf8_lossy(&fs::read(self.log_file())?).contains(&logged) {
            if began.elapsed() > Duration::from_secs(10) {
                return Err(format!("the access log never showed {marker}").into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(30));
        Ok(())
    }

    /// Sends a request without body and returns the status.
    fn request(&self, method: &str, target: &str) -> Result<u16> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        connection.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(
            connection,
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n",
            self.port
        )?;
        let mut response = String::new();
        connection.read_to_string(&mut response)?;
        let status = response
            .split(' ')
            .nth(1)
            .ok_or("the gateway gave no HTTP response")?;
        Ok(status.parse()?)
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("client.rgw.log")
    }
}

/// A client for a bucket of any endpoint (a proxy's, say), with any secret.
pub fn store(endpoint: &str, bucket: &str, secret: &str) -> Result<AmazonS3> {
    Ok(AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_virtual_hosted_style_request(false)
        .with_region("us-east-1")
        .with_bucket_name(bucket)
        .with_access_key_id(ACCESS_KEY)
        .with_secret_access_key(secret)
        // A test wants to see the failure, not what twenty attempts make of it.
        .with_retry(object_store::RetryConfig {
            max_retries: 0,
            ..Default::default()
        })
        .build()?)
}

/// Reads an object of any endpoint, with any secret.
pub fn get(endpoint: &str, bucket: &str, key: &str, secret: &str) -> Result<Vec<u8>> {
    let store = store(endpoint, bucket, secret)?;
    objects::runtime()?.block_on(async {
        let object = store.get(&Key::parse(key)?).await?;
        Ok(object.bytes().await?.to_vec())
    })
}

/// One line of the access log: `… beast: 0x7f: 127.0.0.1 - user [date] "GET /b/k HTTP/1.1" 206 100 -
/// "agent" bytes=0-99 latency=0.001s`.
fn parse_access(line: &str) -> Option<Request> {
    let (_, entry) = line.split_once(" beast: ")?;
    let mut quoted = entry.split('"');
    let mut request = quoted.nth(1)?.split(' ');
    let (method, target) = (request.next()?, request.next()?);
    let mut answer = quoted.next()?.split_whitespace();
    let (status, bytes) = (answer.next()?, answer.next()?);
    let range = quoted.nth(1)?.split(" latency").next()?.trim();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(Request {
        method: method.to_owned(),
        path: percent_decoded(path),
        query: query.to_owned(),
        status: status.parse().ok()?,
        bytes: bytes.parse().ok()?,
        range: range.starts_with("bytes=").then(|| range.to_owned()),
    })
}

/// A path or query without its percent signs' codes.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = (byte == b'%').then(|| after.get(..2)).flatten();
        let code = hex.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        decoded.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The processes of a server, ended together when dropped, the last started first.
#[derive(Debug)]
struct Servers(Vec<Child>);

impl Drop for Servers {
    fn drop(&mut self) {
        for server in self.0.iter_mut().rev() {
            // Everything is in memory, so there is nothing to save; errors have no reader.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// The parts of a one-node Ceph while they come up.
struct Ceph<'a> {
    root: &'a Path,
    user: Option<User>,
    servers: Servers,
}

impl Ceph<'_> {
    fn configure(&self, port: u16, monitor_port: u16) -> Result<()> {
        for name in ["mon.a", "osd.0", "rgw", "run"] {
            fs::create_dir(self.root.join(name))?;
            process::give(&self.root.join(name), self.user)?;
        }
        let root = self.root.display();
        let fsid = uuid()?;
        // There is no manager daemon and no authentication between the parts; the gateway needs both
        // `crc` and `none` for that, or it waits for ever. debug_rgw 1 makes the access log.
        // The gateway writes a response in pieces: without tcp_nodelay each would wait up to 40 ms for
        // the client's delayed acknowledgement.
        let config = format!(
            "[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{monitor_port}
ms_bind_msgr1 = false
public_network = 127.0.0.0/8
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 4294967296
run_dir = {root}/run
crash_dir = {root}/run
admin_socket = {root}/run/$name.asok
log_file = {root}/$name.log
mon_data = {root}/mon.$id
osd_data = {root}/osd.$id
rgw_data = {root}/rgw
[client.rgw]
ms_mon_client_mode = crc
auth_client_required = none
debug_rgw = 1/1
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_dns_name = localhost
rgw_s3_auth_use_sts = true
rgw_sts_key = abcdefghijklmnop
"
        );
        fs::write(self.root.join("ceph.conf"), config)?;
        self.tool("monmaptool", |command| {
            command.args([
                "--create",
                "--addv",
                "a",
                &format!("[v2:127.0.0.1:{monitor_port}]"),
            ]);
            command
                .args(["--fsid", &fsid])
                .arg(self.root.join("monmap"));
        })
    }

    fn start_monitor(&mut self) -> Result<()> {
        self.tool("ceph-mon", |command| {
            command
                .args(["--mkfs", "-i", "a", "--monmap"])
                .arg(self.root.join("monmap"));
        })?;
        self.serve("ceph-mon", &["-i", "a"])
    }

    fn start_storage(&mut self) -> Result<()> {
        let id = uuid()?;
        // Also waits until the monitor answers.
        self.tool("ceph", |command| {
            command.args(["--connect-timeout", "60", "osd", "new", &id]);
        })?;
        self.tool("ceph-osd", |command| {
            command.args(["-i", "0", "--mkfs", "--osd-uuid", &id]);
        })?;
        self.serve("ceph-osd", &["-i", "0"])
    }

    fn start_gateway(&mut self, port: u16) -> Result<()> {
        self.tool("radosgw-admin", |command| {
            command.args(["user", "create", "--uid=tester", "--display-name=tester"]);
            command.arg(format!("--access-key={ACCESS_KEY}"));
            command.arg(format!("--secret-key={SECRET_KEY}"));
        })?;
        self.serve("radosgw", &["-n", "client.rgw"])?;
        let log = self.root.join("client.rgw.log");
        let gateway = self.servers.0.last_mut().ok_or("it was just started")?;
        ports::wait_open(port, "the S3 gateway", gateway, &log)
    }

    /// Runs one of Ceph's tools to its end.
    fn tool(&self, name: &str, arguments: impl FnOnce(&mut std::process::Command)) -> Result<()> {
        // A part that never comes up must not hold the tests for ever.
        let mut command = process::command("timeout", self.user);
        command
            .args(["90", name])
            .env("CEPH_CONF", self.root.join("ceph.conf"));
        arguments(&mut command);
        process::output(&mut command).map(drop)
    }

    /// Starts one of Ceph's daemons, as a child of ours.
    fn serve(&mut self, name: &str, arguments: &[&str]) -> Result<()> {
        let mut command = process::server(name, "KILL", self.user);
        command
            .arg("-f")
            .args(arguments)
            .env("CEPH_CONF", self.root.join("ceph.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(fs::File::create(self.root.join(format!("{name}.err")))?);
        self.servers.0.push(process::spawn(command)?);
        Ok(())
    }
}

fn uuid() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")?
        .trim_end()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_log_lines_are_parsed() {
        let line = "2026-11-20T10:00:00.000+0000 7f0  1 beast: 0x7f: 127.0.0.1 - tester \
                    [20/Nov/2026:10:00:00.0 +0000] \"GET /b/a%20b.parquet?x=1 HTTP/1.1\" 206 100 - \
                    \"agent/1\" bytes=0-99 latency=0.001000011s";
        let request = parse_access(line).unwrap();
        assert_eq!(
            request,
            Request {
                method: "GET".into(),
                path: "/b/a b.parquet".into(),
                query: "x=1".into(),
                status: 206,
                bytes: 100,
                range: Some("bytes=0-99".into()),
            }
        );
    }

    #[test]
    fn other_log_lines_are_not_requests() {
        assert_eq!(parse_access("2026 7f0  0 starting handler: beast"), None);
        assert_eq!(parse_access("2026 7f0  1 ====== req done ======"), None);
    }

    #[test]
    fn a_lone_percent_sign_stays() {
        assert_eq!(percent_decoded("100%/%41%zz%c3%bc%"), "100%/A%zzü%");
    }
}
