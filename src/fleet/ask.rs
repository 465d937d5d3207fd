//! One question to an internal listener and its whole answer: probes and nodes need no more of HTTP than that.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest answer that is read; a page of metrics is a tenth of it.
const MAX_ANSWER_BYTES: u64 = 512 * 1024;

/// The status and the body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status, `200`.
    pub(crate) status: u16,
    /// The body as text.
    pub(crate) body: String,
}

/// Sends `GET` over a new stream.
///
/// # Errors
/// What did not work, for a person; the caller bounds the time.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<Answer, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("nothing listens on {address}: {error}"))?;
    get_over(stream, address, path).await
}

/// Sends `POST` with a JSON body over a new stream.
///
/// # Errors
/// As [`get`].
pub(crate) async fn post(address: SocketAddr, path: &str, json: &str) -> Result<Answer, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("nothing listens on {address}: {error}"))?;
    let length = json.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{json}"
    );
    exchange(stream, address, path, &request).await
}

/// As [`get`], over a stream that is open.
pub(crate) async fn get_over(
    stream: TcpStream,
    address: SocketAddr,
    path: &str,
) -> Result<Answer, String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    exchange(stream, address, path, &request).await
}

async fn exchange(
    mut stream: TcpStream,
    address: SocketAddr,
    path: &str,
    request: &str,
) -> Result<Answer, String> {
    let failed = |error| format!("{address}{path} breaks off: {error}");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    let mut limited = stream.take(MAX_ANSWER_BYTES);
    limited.read_to_end(&mut answer).await.map_err(failed)?;
    read(&String::from_utf8_lossy(&answer))
        .ok_or_else(|| format!("{address}{path} does not speak HTTP"))
}

fn read(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let mut words = head.split(' ');
    let is_http = words.next()?.starts_with("HTTP/1.");
    Some(Answer {
        status: words.next()?.parse().ok().filter(|_| is_http)?,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_answers_and_nothing_else() {
        let answer = read("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nno\n");
        let wanted = Answer {
            status: 503,
            body: "no\n".to_owned(),
        };
        assert_eq!(answer, Some(wanted));
        for other in ["", "SSH-2.0-x\r\n\r\n", "HTTP/1.1", "HTTP/1.1 many\r\n\r\n"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
