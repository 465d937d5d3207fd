//! Opening a session from outside, as a page does.

use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::protocol::SUBPROTOCOL;

/// A session that was opened and has not said hello.
pub(super) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a session at an `http://` or `ws://` address.
///
/// # Errors
/// A sentence that names the address and what is wrong.
pub(super) async fn dial(url: &str) -> Result<Stream, String> {
    let address = address(url)?;
    let mut request = address
        .as_str()
        .into_client_request()
        .map_err(|error| format!("{url} is no address: {error}"))?;
    let protocol = SUBPROTOCOL.parse().expect("a subprotocol is a token");
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let (stream, _) = connect_async(request)
        .await
        .map_err(|error| format!("{address} opens no session: {error}"))?;
    Ok(stream)
}

/// Returns the address of `/ws` at an `http://` or `ws://` address.
///
/// # Errors
/// A sentence that says what an address begins with.
pub(super) fn address(url: &str) -> Result<String, String> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("ws://"))
        .ok_or_else(|| format!("{url} must begin with http:// or ws://"))?;
    Ok(format!("ws://{}/ws", rest.trim_end_matches('/')))
}
