use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::thread;

use rekindle_test_servers::{DEADLINE, Files};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::super::Upstreams;
use super::*;

/// Both sides of a connection.
trait Peer: Read + Write + Send {}
impl<P: Read + Write + Send> Peer for P {}

async fn connected(address: String) -> Connection {
    let upstreams = Upstreams::new(vec![address.parse().expect("an address")]);
    let connection = upstreams
        .connect(&upstreams.in_use(), DEADLINE)
        .await
        .expect("it listens");
    assert_eq!(connection.upstream(), address);
    connection
}

async fn tcp() -> (Connection, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let connection = connected(address.to_string()).await;
    let (peer, _) = listener.accept().expect("it is connected");
    peer.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    (connection, peer)
}

async fn both() -> [(Connection, Box<dyn Peer>); 2] {
    let files = Files::new();
    let path = files.text("socket");
    let listener = UnixListener::bind(&path).expect("a free path");
    let unix = connected(format!("unix:{path}")).await;
    let (peer, _) = listener.accept().expect("it is connected");
    peer.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let (tcp, tcp_peer) = tcp().await;
    [(unix, Box::new(peer)), (tcp, Box::new(tcp_peer))]
}

#[tokio::test]
async fn the_first_bytes_are_written_before_the_event_loop_has_run() {
    for (mut connection, mut peer) in both().await {
        assert_eq!(connection.write(b"hello").await.ok(), Some(5));
        let mut received = [0; 5];
        peer.read_exact(&mut received).expect("it arrives");
        assert_eq!(&received, b"hello");
    }
}

#[tokio::test]
async fn the_traits_of_tokio_carry_a_large_transfer() {
    for (mut connection, mut peer) in both().await {
        let sent: Vec<u8> = (0..4_000_000_u32).map(|n| (n % 251) as u8).collect();
        let echo = thread::spawn(move || {
            let mut received = Vec::new();
            peer.read_to_end(&mut received).expect("it ends");
            peer.write_all(&received).expect("it is read");
        });
        let mut received = Vec::new();
        let transfer = async {
            connection.write_all(&sent).await?;
            connection.shutdown().await?;
            connection.read_to_end(&mut received).await
        };
        let transfer = timeout(DEADLINE, transfer).await;
        transfer.expect("it ends").expect("nothing breaks");
        assert!(received == sent);
        echo.join().expect("it ends");
    }
}

#[tokio::test]
async fn a_reset_is_no_end() {
    let (connection, mut peer) = tcp().await;
    connection.reset_on_close();
    drop(connection);
    let error = peer.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}
