//! A throwaway RSA key, with a certificate for 127.0.0.1.

use crate::{Result, process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Not a certificate authority's: a client that trusts it must still take it as a server's own.
const CONFIG: &str = "[req]
distinguished_name = name
prompt = no
x509_extensions = server
[name]
CN = 127.0.0.1
[server]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1
";

/// A key and what belongs to it.
#[derive(Clone, Debug)]
pub struct RsaKey {
    /// The private key's file, in PEM.
    pub private: PathBuf,
    /// The certificate's file, in PEM.
    pub certificate: PathBuf,
    /// The public key, as RFC 8017's RSAPublicKey in DER.
    pub public: Vec<u8>,
}

impl RsaKey {
    /// Makes a key, with its files in a directory.
    pub fn generate(directory: &Path) -> Result<Self> {
        let file = |name: &str| directory.join(name);
        fs::write(file("openssl.cnf"), CONFIG)?;
        openssl(
            &[
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ],
            &[
                ("-config", &file("openssl.cnf")),
                ("-keyout", &file("key.pem")),
                ("-out", &file("certificate.pem")),
            ],
        )?;
        openssl(
            &["rsa", "-RSAPublicKey_out", "-outform", "DER"],
            &[("-in", &file("key.pem")), ("-out", &file("public.der"))],
        )?;
        // Servers may run as another user.
        let readable = || std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(file("key.pem"), readable())?;
        fs::set_permissions(file("certificate.pem"), readable())?;
        Ok(RsaKey {
            private: file("key.pem"),
            certificate: file("certificate.pem"),
            public: fs::read(file("public.der"))?,
        })
    }

    /// The private key in PEM.
    pub fn pem(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.private)?)
    }
}

fn openssl(arguments: &[&str], files: &[(&str, &PathBuf)]) -> Result<()> {
    let mut command = Command::new("openssl");
    command.args(arguments);
    for (option, file) in files {
        command.arg(option).arg(file);
    }
    process::output(&mut command).map(drop)
}
