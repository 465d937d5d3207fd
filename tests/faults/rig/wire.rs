//! A session as the wire has it: frames in, frames out.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Time in which a frame must be taken.
const WRITE: Duration = Duration::from_secs(5);
/// Time in which a session must be open.
const OPEN: Duration = Duration::from_secs(5);

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Wire {
    stream: WebSocketStream<TcpStream>,
    requests: u64,
}

/// What a node says of a new session.
#[derive(Debug)]
pub(crate) struct Welcome {
    pub(crate) token: String,
    pub(crate) node: String,
    pub(crate) dedupe: Duration,
}

impl Wire {
    /// Opens a session and says hello.
    pub(crate) async fn open(
        address: SocketAddr,
        name: &str,
        token: Option<&str>,
    ) -> Result<(Self, Welcome)> {
        Self::open_moved(address, name, token, None).await
    }

    /// Opens a session and says hello, as somebody whom another node let go so long ago.
    pub(crate) async fn open_moved(
        address: SocketAddr,
        name: &str,
        token: Option<&str>,
        moved: Option<Duration>,
    ) -> Result<(Self, Welcome)> {
        let mut hello =
            json!({"type": "hello", "name": name, "token": token, "client": "madang-faults"});
        if let Some(moved) = moved {
            hello["moved_ms"] = json!(u64::try_from(moved.as_millis())?);
        }
        timeout(OPEN, Self::greet(address, &hello))
            .await
            .context("no session in time")?
    }

    /// Opens a session and says nothing.
    pub(crate) async fn dial(address: SocketAddr) -> Result<Self> {
        Self::upgrade(TcpStream::connect(address).await?, address).await
    }

    /// Opens a session for which this side's system takes as little as it can: not reading is felt soon.
    pub(crate) async fn dial_narrow(address: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        Self::upgrade(socket.connect(address).await?, address).await
    }

    async fn upgrade(stream: TcpStream, address: SocketAddr) -> Result<Self> {
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{address}/ws").into_client_request()?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "madang.v1".parse()?);
        let (stream, _) = client_async(request, stream).await?;
        Ok(Self {
            stream,
            requests: 0,
        })
    }

    async fn greet(address: SocketAddr, hello: &Value) -> Result<(Self, Welcome)> {
        let mut wire = Self::dial(address).await?;
        wire.write(hello).await?;
        loop {
            let frame = wire.read().await?;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            match frame["type"].as_str() {
                Some("welcome") => {
                    let dedupe =
                        Duration::from_millis(frame["limits"]["dedupe_ms"].as_u64().unwrap_or(0));
                    let token = text(&frame["token"]);
                    return Ok((
                        wire,
                        Welcome {
                            token,
                            node: text(&frame["node"]),
                            dedupe,
                        },
                    ));
                }
                Some("error") => bail!("hello is refused: {frame}"),
                _ => {}
            }
        }
    }

    /// Sends a request; returns its id.
    pub(crate) async fn ask(&mut self, mut frame: Value) -> Result<u64> {
        self.requests += 1;
        frame["id"] = json!(self.requests);
        self.write(&frame).await?;
        Ok(self.requests)
    }

    /// Sends a request and reads until its answer; hands everything else to `also`.
    pub(crate) async fn answer(
        &mut self,
        frame: Value,
        mut also: impl FnMut(Value),
    ) -> Result<Value> {
        let id = self.ask(frame).await?;
        loop {
            let frame = self.read().await?;
            if frame["id"] == json!(id) {
                return Ok(frame);
            }
            also(frame);
        }
    }

    /// Sends a frame.
    pub(crate) async fn write(&mut self, frame: &Value) -> Result<()> {
        let sending = self.stream.send(Message::text(frame.to_string()));
        timeout(WRITE, sending)
            .await
            .context("the session takes no frame in time")??;
        Ok(())
    }

    /// Reads the next frame.
    ///
    /// # Errors
    /// The session has ended, with the words of its close frame if one came.
    pub(crate) async fn read(&mut self) -> Result<Value> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text)?),
                Some(Ok(Message::Close(Some(close)))) => {
                    bail!("closed with {} {}", close.code, close.reason)
                }
                Some(Ok(Message::Close(None))) | None => bail!("the session has ended"),
                Some(Ok(_)) => {}
                Some(Err(error)) => bail!("the session broke: {error}"),
            }
        }
    }
}
