//! A throw-away certificate authority, made with `openssl`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Files of an authority and of one certificate for `127.0.0.1` and `localhost` that it has signed.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    /// What clients trust.
    pub(crate) ca: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Authority {
    /// Makes an authority whose files are in a directory.
    pub(crate) fn make(directory: &Path) -> Self {
        let path = |name: &str| directory.join(name);
        let (ca, ca_key) = (path("ca.crt"), path("ca.key"));
        let (certificate, key, request) = (path("tls.crt"), path("tls.key"), path("tls.csr"));
        let names = path("names");
        std::fs::write(
            &names,
            "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n",
        )
        .expect("a file can be written");
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
        openssl(
            &[
                &[
                    "req",
                    "-x509",
                    "-nodes",
                    "-days",
                    "2",
                    "-subj",
                    "/CN=a test's authority",
                ][..],
                &curve,
                &["-keyout", text(&ca_key), "-out", text(&ca)],
            ]
            .concat(),
        );
        openssl(
            &[
                &["req", "-nodes", "-subj", "/CN=redis"][..],
                &curve,
                &["-keyout", text(&key), "-out", text(&request)],
            ]
            .concat(),
        );
        openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            text(&request),
            "-CA",
            text(&ca),
            "-CAkey",
            text(&ca_key),
            "-CAcreateserial",
            "-extfile",
            text(&names),
            "-out",
            text(&certificate),
        ]);
        Self {
            ca,
            certificate,
            key,
        }
    }

    /// Returns lines for a configuration file.
    pub(super) fn lines(&self) -> Vec<String> {
        vec![
            format!("tls-cert-file {}", text(&self.certificate)),
            format!("tls-key-file {}", text(&self.key)),
            format!("tls-ca-cert-file {}", text(&self.ca)),
            "tls-auth-clients no".to_owned(),
        ]
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}

fn openssl(arguments: &[&str]) {
    let status = Command::new("openssl")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "openssl failed; is it installed?"
    );
}
