//! Upstreams to proxy to.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Sends everything back, and ends when the other side does.
pub(crate) fn echo() -> SocketAddr {
    serve(|mut tcp| {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match tcp.read(&mut buffer)? {
                0 => return Ok(()),
                read => tcp.write_all(&buffer[..read])?,
            }
        }
    })
}

/// Serves each connection on a thread of its own with `handle`, for as long as the test process
/// lives.
pub(crate) fn serve<F>(handle: F) -> SocketAddr
where
    F: Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let handle = handle.clone();
            // What goes wrong here the client's side of the test sees as well.
            thread::spawn(move || handle(tcp));
        }
    });
    address
}
