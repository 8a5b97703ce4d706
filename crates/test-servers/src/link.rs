//! The network between a program and a server, which can be cut, slow, or full of garbage.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Forwards TCP connections to a server, as well as the network does at the moment. Its threads end
/// with the process.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    is_cut: AtomicBool,
    garbles: AtomicBool,
    delay_millis: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Link {
    /// To a port of 127.0.0.1.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let of_thread = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if of_thread.is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
                    continue;
                };
                for (from, to, is_answer) in [(&near, &far, false), (&far, &near, true)] {
                    let [from, to] = [from, to].map(|end| end.try_clone().expect("a descriptor"));
                    let state = Arc::clone(&of_thread);
                    thread::spawn(move || state.forward(from, to, is_answer));
                }
                of_thread.open().extend([near, far]);
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, and takes no new ones.
    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
        for stream in self.state.open().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.state.is_cut.store(false, Ordering::SeqCst);
    }

    /// Everything takes longer from now on, each way.
    pub fn delay(&self, by: Duration) {
        let millis = by.as_millis() as u64;
        self.state.delay_millis.store(millis, Ordering::SeqCst);
    }

    /// Whether each byte of an answer is replaced by 0xff from now on.
    pub fn garble(&self, garbles: bool) {
        self.state.garbles.store(garbles, Ordering::SeqCst);
    }
}

impl State {
    fn open(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forward(&self, mut from: TcpStream, mut to: TcpStream, is_answer: bool) {
        let mut buffer = vec![0; 65_536];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let millis = self.delay_millis.load(Ordering::SeqCst);
            thread::sleep(Duration::from_millis(millis));
            if is_answer && self.garbles.load(Ordering::SeqCst) {
                buffer[..read].fill(0xff);
            }
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}
