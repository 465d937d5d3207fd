//! A way to a server that can be cut: what is sent over it then waits, as on a network that drops everything.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// See the [module](self). It ends with the value.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free port for what goes on to `target`.
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_cut = watch::Sender::new(false);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, target, is_cut.clone()));
        Self {
            address,
            is_cut,
            _accepting: accepting,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.send_replace(is_cut);
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, is_cut: watch::Sender<bool>) {
    let mut streams = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let mut cut = is_cut.subscribe();
        streams.spawn(async move {
            if cut.wait_for(|is_cut| !is_cut).await.is_err() {
                return;
            }
            let Ok(far) = TcpStream::connect(target).await else {
                return;
            };
            let (near, far) = (near.into_split(), far.into_split());
            let (there, back) = (pump(near.0, far.1, cut.clone()), pump(far.0, near.1, cut));
            tokio::select! {
                () = there => {}
                () = back => {}
            }
        });
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut cut: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        if cut.wait_for(|is_cut| !is_cut).await.is_err() {
            return;
        }
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            changed = cut.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Ok(read @ 1..) = read else { return };
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
