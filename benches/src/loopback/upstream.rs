//! Where every server forwards to: takes one byte, answers with one, and waits for the end.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rekindle_test_servers::free_port;
use rustix::thread::{CpuSet, sched_setaffinity};

/// What a client says.
pub(super) const QUESTION: u8 = b'?';
/// What it is answered.
pub(super) const ANSWER: u8 = b'!';

/// A connection on which nothing happens for so long is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers on a free port of loopback for as long as this process lives. It has a thread for each
/// connection that there can be at a time: a client that waits for another one's end would be
/// measured as the server's delay.
pub(super) fn start(threads: usize, cpus: CpuSet) -> io::Result<SocketAddr> {
    let listener = Arc::new(free_port()?);
    let address = listener.local_addr()?;
    for _ in 0..threads {
        let listener = Arc::clone(&listener);
        thread::spawn(move || {
            sched_setaffinity(None, &cpus).expect("our own processors are allowed");
            for connection in listener.incoming().map_while(Result::ok) {
                // The client sees what goes wrong here.
                let _ = answer(connection);
            }
        });
    }
    Ok(address)
}

fn answer(mut connection: TcpStream) -> io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut byte = [0];
    connection.read_exact(&mut byte)?;
    if byte == [QUESTION] {
        connection.write_all(&[ANSWER])?;
        // Nothing more comes, but the end.
        let _ = connection.read(&mut byte)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rekindle_test_servers::connect;

    use super::*;

    #[test]
    fn every_question_is_answered() {
        let all = rustix::thread::sched_getaffinity(None).unwrap();
        let upstream = start(2, all).unwrap();
        for _ in 0..5 {
            let mut client = connect(upstream);
            client.write_all(&[QUESTION]).unwrap();
            let mut told = [0];
            client.read_exact(&mut told).unwrap();
            assert_eq!(told, [ANSWER]);
        }
    }
}
