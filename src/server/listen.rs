//! Listeners: an address bound, or one sentence that says what to do.
//!
//! `[::]` serves IPv4 as well, and becomes `0.0.0.0` on a machine without IPv6.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Links that the kernel keeps until they are accepted.
///
/// After a rollout thousands of pages come back within a second, and what does not fit waits a
/// second for its SYN to be repeated. The kernel cuts the number to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{setting} ({variable}): {reason}", variable = variable(setting))]
pub struct ListenError {
    setting: &'static str,
    reason: String,
    /// What the system said.
    source: io::Error,
}

/// Binds an address and listens on it; `setting` is the name of the setting that it comes from.
///
/// Must be called within a Tokio runtime.
///
/// # Errors
/// The port is in use, the address is not this machine's, or the process may not bind it; the
/// message is one sentence with the setting, its variable and the remedy.
pub fn bind(address: SocketAddr, setting: &'static str) -> Result<TcpListener, ListenError> {
    let any_v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    let bound = match try_bind(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && lacks_v6(&error) => {
            try_bind(any_v4)
        }
        bound => bound,
    };
    bound.map_err(|source| ListenError {
        setting,
        reason: reason(address, &source),
        source,
    })
}

/// Raises the number of files that the process may open to what the system allows, and returns it.
///
/// Each session is an open file, and the usual number, 1,024, is made for programs that use
/// `select`.
///
/// # Errors
/// The system does not tell or change the number; what was in force stays.
pub fn raise_file_limit() -> io::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX)
}

fn try_bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A node that restarts would wait for the links of its forerunner to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Returns true if an error says that the machine has no IPv6.
fn lacks_v6(error: &io::Error) -> bool {
    // EAFNOSUPPORT: the kernel was built or started without it. It has no kind of its own.
    const ADDRESS_FAMILY_NOT_SUPPORTED: i32 = 97;
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(ADDRESS_FAMILY_NOT_SUPPORTED)
}

/// Says why an address cannot be listened on, and what to do.
fn reason(address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {port} of {} is in use; stop the program that has it, or set another port",
            address.ip()
        ),
        ErrorKind::PermissionDenied => {
            format!("this user may not listen on port {port}; set a port from 1024 up")
        }
        ErrorKind::AddrNotAvailable => format!(
            "{} is no address of this machine; set one that is, or [::] for all",
            address.ip()
        ),
        _ => format!("{address} cannot be listened on ({error}); set another address"),
    }
}

/// The variable of a setting: `MADANG_SECTION__NAME`.
fn variable(setting: &str) -> String {
    format!("MADANG_{}", setting.replace('.', "__").to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    const SETTING: &str = "server.listen";

    fn fault(address: &str) -> String {
        bind(address.parse().unwrap(), SETTING)
            .unwrap_err()
            .to_string()
    }

    #[tokio::test]
    async fn all_addresses_of_both_families_are_served() {
        let listener = bind("[::]:0".parse().unwrap(), SETTING).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect(("::1", port)).unwrap();
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_with_setting_variable_and_remedy() {
        let listener = bind("127.0.0.1:0".parse().unwrap(), SETTING).unwrap();
        let address = listener.local_addr().unwrap();
        let want = format!(
            "server.listen (MADANG_SERVER__LISTEN): port {} of 127.0.0.1 is in use; stop the program that has it, \
             or set another port",
            address.port()
        );
        assert_eq!(fault(&address.to_string()), want);
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_told() {
        // TEST-NET-1 (RFC 5737) belongs to nobody.
        let fault = fault("192.0.2.1:8080");
        assert!(
            fault.contains("192.0.2.1 is no address of this machine"),
            "{fault}"
        );
    }

    #[test]
    fn a_port_that_only_root_may_bind_is_told() {
        let denied = io::Error::from(ErrorKind::PermissionDenied);
        let reason = reason("0.0.0.0:80".parse().unwrap(), &denied);
        assert_eq!(
            reason,
            "this user may not listen on port 80; set a port from 1024 up"
        );
    }

    #[test]
    fn a_machine_without_ipv6_is_recognized() {
        assert!(lacks_v6(&io::Error::from_raw_os_error(97)));
        assert!(lacks_v6(&io::Error::from(ErrorKind::AddrNotAvailable)));
        assert!(!lacks_v6(&io::Error::from(ErrorKind::AddrInUse)));
    }

    #[test]
    fn the_file_limit_is_what_the_system_allows() {
        let (_, hard) = rlimit::Resource::NOFILE.get().unwrap();
        assert_eq!(raise_file_limit().unwrap(), hard);
        assert_eq!(rlimit::Resource::NOFILE.get_soft().unwrap(), hard);
    }
}
