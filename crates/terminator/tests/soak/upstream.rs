//! Upstreams that get into trouble, one after the other: each dies, stalls, resets and ends in the
//! middle of answers; now and then all of them die.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use rekindle_test_servers::free_port;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::history::{Fate, History};
use crate::wire::{BLOCK, Facts, HEADER, Request, difference, header_rest};

pub(crate) const UPSTREAMS: usize = 3;

const CHUNK: usize = 16 * 1024;
/// How long a trouble lasts, and the time between two.
const TROUBLE: Duration = Duration::from_millis(200);
const PEACE: Duration = Duration::from_millis(400);
/// Requests with a multiple of this number stall, of those at a time of stalls: a client that waits
/// is no load.
const STALLS: u64 = 32;
const LONGER_THAN_TIMEOUTS: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Well,
    Dead,
    Stalling,
    Resetting,
    EndingEarly,
}

/// The upstreams of one run, on a thread of their own.
pub(crate) struct Upstreams {
    pub(crate) addresses: Vec<SocketAddr>,
    trouble: watch::Sender<bool>,
}

impl Upstreams {
    pub(crate) fn start(history: &Arc<History>) -> Self {
        let ports = [(); UPSTREAMS].map(|()| free_port().expect("a free port"));
        let addresses: Vec<_> = ports
            .iter()
            .map(|port| port.local_addr().expect("bound"))
            .collect();
        let (trouble, told) = watch::channel(false);
        let history = Arc::clone(history);
        let run = async move {
            let mut modes = Vec::new();
            for (number, port) in ports.into_iter().enumerate() {
                port.set_nonblocking(true).expect("a socket");
                let listener = TcpListener::from_std(port).expect("a socket");
                let (mode, told) = watch::channel(Mode::Well);
                tokio::spawn(live(number, listener, told, Arc::clone(&history)));
                modes.push(mode);
            }
            make_trouble(&modes, told).await;
        };
        thread::spawn(|| {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(run);
        });
        Self { addresses, trouble }
    }

    /// Whether there is trouble from now on.
    pub(crate) fn trouble(&self, begins: bool) {
        self.trouble.send(begins).expect("the upstreams live");
    }
}

/// Until the test ends.
async fn make_trouble(modes: &[watch::Sender<Mode>], mut told: watch::Receiver<bool>) {
    let troubles = [
        Mode::Dead,
        Mode::Stalling,
        Mode::Resetting,
        Mode::EndingEarly,
    ];
    let mut turn = 0;
    while told.wait_for(|begun| *begun).await.is_ok() {
        tokio::time::sleep(PEACE).await;
        let trouble = troubles[turn % troubles.len()];
        let all_die = turn % 16 == 12;
        let chosen = modes.iter().enumerate();
        let chosen =
            chosen.filter(|(number, _)| all_die || (turn / troubles.len()) % UPSTREAMS == *number);
        chosen.for_each(|(_, mode)| _ = mode.send_replace(trouble));
        tokio::time::sleep(TROUBLE).await;
        modes
            .iter()
            .for_each(|mode| _ = mode.send_replace(Mode::Well));
        turn += 1;
    }
}

/// One upstream: lives and dies, and all its connections with it.
async fn live(
    number: usize,
    mut listener: TcpListener,
    mut mode: watch::Receiver<Mode>,
    history: Arc<History>,
) {
    let address = listener.local_addr().expect("bound");
    let told = mode.clone();
    loop {
        history.is_up(number, true);
        let (life, alive) = watch::channel(());
        loop {
            tokio::select! {
                biased;
                dead = mode.wait_for(|mode| *mode == Mode::Dead) => match dead {
                    Ok(_) => break,
                    Err(_) => return,
                },
                accepted = listener.accept() => {
                    let (stream, _) = accepted.expect("descriptors are left");
                    let (told, alive) = (told.clone(), alive.clone());
                    tokio::spawn(serve(number, stream, told, alive, Arc::clone(&history)));
                }
            }
        }
        history.is_up(number, false);
        drop((listener, life));
        if mode.wait_for(|mode| *mode != Mode::Dead).await.is_err() {
            return;
        }
        let bound = TcpListener::bind(address).await;
        listener = bound.expect("the port is still free");
    }
}

async fn serve(
    number: usize,
    mut stream: TcpStream,
    mode: watch::Receiver<Mode>,
    mut alive: watch::Receiver<()>,
    history: Arc<History>,
) {
    let id = OnceLock::new();
    let resets = tokio::select! {
        biased;
        _ = alive.changed() => {
            if let Some(id) = id.get() {
                history.fate(*id, |fate| match fate {
                    Fate::Answering(sent) | Fate::Stalled(sent) => Fate::Died(sent),
                    ended => ended,
                });
            }
            true
        },
        // What breaks here the client's side sees, and has to explain.
        served = answer(number, &mut stream, &mode, &id, &history) => served.unwrap_or(true),
    };
    if resets {
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}

/// Answers one request. Whether the connection is to be reset.
async fn answer(
    number: usize,
    stream: &mut TcpStream,
    mode: &watch::Receiver<Mode>,
    request: &OnceLock<u64>,
    history: &History,
) -> io::Result<bool> {
    let mut first = [0; HEADER];
    stream.read_exact(&mut first).await?;
    let mut rest = vec![0; header_rest(first)];
    stream.read_exact(&mut rest).await?;
    let mut block = [0; BLOCK];
    stream.read_exact(&mut block).await?;
    let asked = Request::decode(block);
    let id = asked.id;
    history.arrived(id, number, Facts::decode(&rest));
    let _ = request.set(id);
    let uploaded = asked.uploaded();
    let mut got = vec![0; uploaded.len()];
    stream.read_exact(&mut got).await?;
    if let Some(difference) = difference(&got, &uploaded) {
        history.wrong(format!("upload of request {id}: {difference}"));
    }
    let mode = *mode.borrow();
    let answer = asked.answered();
    let part = match mode {
        Mode::Well | Mode::Dead => answer.len(),
        Mode::Stalling if !id.is_multiple_of(STALLS) => answer.len(),
        Mode::Stalling | Mode::Resetting | Mode::EndingEarly => answer.len() / 2,
    };
    let mut sent = 0;
    for chunk in answer[..part].chunks(CHUNK) {
        sent += chunk.len();
        history.fate(id, |_| Fate::Answering(sent));
        stream.write_all(chunk).await?;
    }
    if part == answer.len() {
        history.fate(id, |_| Fate::Whole);
        return Ok(false);
    }
    history.fate(id, |_| match mode {
        Mode::Stalling => Fate::Stalled(sent),
        Mode::Resetting => Fate::Reset(sent),
        _ => Fate::Ended(sent),
    });
    if mode == Mode::Stalling {
        while stream.read(&mut block).await? > 0 {}
        // The client has ended its side, and waits.
        tokio::time::sleep(LONGER_THAN_TIMEOUTS).await;
    }
    Ok(mode == Mode::Resetting)
}
