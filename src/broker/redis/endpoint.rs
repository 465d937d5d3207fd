//! How one server is spoken to: address, TLS, credentials, TCP.
//!
//! The CA is read anew every time, so that rotating it needs no restart.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, TlsCertificates,
};

use super::fault::{Address, LinkError};
use crate::config::{Redis, Secret, ServerAddress};

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Returns the address as sentences name it.
pub(super) fn address(settings: &Redis, server: &ServerAddress) -> Address {
    Address {
        name: server.to_string(),
        tls: settings.url.as_ref().is_some_and(|url| url.tls),
    }
}

/// Who a node is at a server.
#[derive(Debug)]
pub(super) struct Account<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) password: Option<&'a Secret<String>>,
    pub(super) db: i64,
}

/// The password that worked last: while one is rotated, a server may not know the new one yet.
#[derive(Debug, Default)]
pub(super) struct Passwords(Mutex<Option<Secret<String>>>);

impl Passwords {
    /// Returns the password that worked last, unless it is this one.
    pub(super) fn other_than(&self, password: Option<&Secret<String>>) -> Option<Secret<String>> {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        before
            .as_ref()
            .filter(|before| Some(*before) != password)
            .cloned()
    }

    /// Notes which password worked.
    pub(super) fn accept(&self, password: Option<Secret<String>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = password;
    }
}

/// Returns what the Redis crate needs to know to open a wire to a server.
pub(super) fn connection(
    settings: &Redis,
    server: &ServerAddress,
    account: &Account<'_>,
) -> Result<ConnectionInfo, LinkError> {
    let mut redis = RedisConnectionInfo::default()
        .set_db(account.db)
        .set_protocol(ProtocolVersion::RESP3)
        .set_skip_set_lib_name();
    if let Some(user) = account.user {
        redis = redis.set_username(user);
    }
    if let Some(password) = account.password {
        redis = redis.set_password(password.expose());
    }
    // A dead path is noticed within about 20 s without traffic and 5 s with it.
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(3))
        .with_retries(3);
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive)
        .set_user_timeout(Duration::from_secs(5));
    let address = address(settings, server);
    let fault = |error: redis::RedisError| LinkError::of(&address, &error);
    let info = target(settings, server, address.tls)?
        .into_connection_info()
        .map_err(fault)?;
    Ok(info.set_redis_settings(redis).set_tcp_settings(tcp))
}

/// Returns the address with what its certificate is judged by.
fn target(
    settings: &Redis,
    server: &ServerAddress,
    tls: bool,
) -> Result<ConnectionAddr, LinkError> {
    let (host, port) = (server.host.clone(), server.port);
    if !tls {
        return Ok(ConnectionAddr::Tcp(host, port));
    }
    let address = ConnectionAddr::TcpTls {
        host,
        port,
        insecure: false,
        tls_params: None,
    };
    let Some(path) = &settings.ca_file else {
        return Ok(address);
    };
    let fault = |reason: String| LinkError::CaFile {
        path: path.clone(),
        reason,
    };
    let root = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
    if !root.windows(BEGIN.len()).any(|window| window == BEGIN) {
        return Err(fault("no BEGIN CERTIFICATE in it".to_owned()));
    }
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(root),
    };
    let client =
        Client::build_with_tls(address, certificates).map_err(|error| fault(error.to_string()))?;
    Ok(client.get_connection_info().addr().clone())
}

/// Returns the sentence for a password file that gives none.
pub(super) fn password_fault(error: &crate::config::PasswordFileError) -> LinkError {
    LinkError::PasswordFile(format!("{error} ({})", error.source))
}
