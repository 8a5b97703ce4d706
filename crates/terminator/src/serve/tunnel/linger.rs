//! Ends a connection so that its last bytes arrive.

use std::io;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::serve::deadlines::Deadline;
use crate::serve::shared_buffer::with_shared_buffer;

/// How long a client may take to end its side.
const LIMIT: Duration = Duration::from_secs(2);

/// Sends FIN, then takes and discards what the client still sends, until it ends its side or the
/// time is over.
///
/// If a socket is closed while bytes that nothing has read are in it, or come later, the kernel
/// sends a reset. The client's kernel then discards what the client has not read: an alert, or the
/// end of an answer.
pub(in crate::serve) async fn linger(tcp: &TcpStream, deadline: &Deadline) {
    // A client that is gone needs no FIN.
    if socket2::SockRef::from(tcp)
        .shutdown(std::net::Shutdown::Write)
        .is_err()
    {
        return;
    }
    let drained = async {
        loop {
            tcp.ready(Interest::READABLE).await?;
            match with_shared_buffer(|buffer| tcp.try_read(buffer)) {
                Ok(0) => return io::Result::Ok(()),
                Ok(_) => tokio::task::consume_budget().await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    };
    // A client that does not read now would not read later either.
    deadline.reset(LIMIT);
    let _ = deadline.limit(drained).await;
}
