//! Where every server forwards to: takes one byte, answers with one, and waits for the end.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::thread::CpuSet;

use super::cores;

/// What a client says.
pub(super) const QUESTION: u8 = b'?';
/// What it is answered.
pub(super) const ANSWER: u8 = b'!';

/// A connection on which nothing happens for so long is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers until it is dropped. It has a thread for each connection that there can be at a time:
/// a client that waits for another one's end would be measured as the server's delay.
#[derive(Debug)]
pub(super) struct Upstream {
    address: SocketAddr,
    done: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Upstream {
    /// Listens on a free port of loopback.
    pub(super) fn start(listener: TcpListener, threads: usize, cpus: CpuSet) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let listener = Arc::new(listener);
        let done = Arc::new(AtomicBool::new(false));
        let start = |_| {
            let (listener, done) = (Arc::clone(&listener), Arc::clone(&done));
            thread::spawn(move || {
                cores::stay_on(&cpus);
                while let Ok((connection, _)) = listener.accept() {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    // The client sees what goes wrong here.
                    let _ = answer(connection);
                }
            })
        };
        let threads = (0..threads).map(start).collect();
        Ok(Self {
            address,
            done,
            threads,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        for _ in &self.threads {
            // Each ends one thread's wait. Refused ones mean that no thread waits.
            let _ = TcpStream::connect(self.address);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
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
    use rekindle_test_servers::free_port;

    use super::*;

    #[test]
    fn every_question_is_answered_and_it_ends_when_dropped() {
        let all = rustix::thread::sched_getaffinity(None).unwrap();
        let upstream = Upstream::start(free_port().unwrap(), 2, all).unwrap();
        for _ in 0..5 {
            let mut client = TcpStream::connect(upstream.address()).unwrap();
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            client.write_all(&[QUESTION]).unwrap();
            let mut told = [0];
            client.read_exact(&mut told).unwrap();
            assert_eq!(told, [ANSWER]);
        }
        let address = upstream.address();
        drop(upstream);
        assert!(TcpStream::connect(address).is_err());
    }
}
