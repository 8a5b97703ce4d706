//! The process that serves: hands over to whichever successor comes.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rekindle::openssl::{Handover, Resumption};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::accepting::{Accepting, AcceptingState};
use super::channel::{Channel, Kind, VERSION};
use super::error::HandoverError;
use super::peer::Peer;
use super::sockets::Sockets;
use crate::log_limit::LogLimit;
use crate::systemd;

/// How long a successor may take to take everything over and get ready, while this process serves.
const PREPARATION: Duration = Duration::from_secs(120);

/// After an error of the listener, such as want of descriptors.
const RETRY: Duration = Duration::from_millis(500);

/// How long no connection may be accepted.
const PAUSE: Duration = Duration::from_secs(10);

/// What a process that serves hands over, and how.
#[derive(Debug, Clone)]
pub(crate) struct Predecessor {
    pub(crate) resumption: Resumption,
    pub(crate) accepting: Arc<Accepting>,
    pub(crate) sockets: Arc<Sockets>,
    /// Is told when the successor serves.
    pub(crate) done: mpsc::Sender<()>,
}

/// A Unix socket where successors are waited for, which is not at its path yet.
#[derive(Debug)]
pub(crate) struct Rendezvous {
    listener: UnixListener,
    path: PathBuf,
}

impl Rendezvous {
    /// # Errors
    ///
    /// There is something else than a socket at the path, or no socket can be made beside it.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok_and(|there| !there.file_type().is_socket()) {
            return Err(io::Error::other("there is a file that is no socket"));
        }
        let new = aside(path);
        let _ = fs::remove_file(&new);
        let listener = UnixListener::bind(&new)?;
        fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        let path = path.to_owned();
        Ok(Self { listener, path })
    }

    /// Takes the place of another process's socket, and waits for successors on a thread. The log
    /// says what goes wrong, and then there will be none.
    pub(crate) fn open(self, predecessor: Predecessor) {
        // In one step: a successor that starts now finds the one or the other.
        let opened = fs::rename(aside(&self.path), &self.path).and_then(|()| {
            let name = "handover".into();
            let wait = move || predecessor.wait(&self.listener);
            thread::Builder::new().name(name).spawn(wait)
        });
        if let Err(error) = opened {
            error!(%error, "no successor can take over by --handover");
        }
    }
}

impl Predecessor {
    fn wait(&self, listener: &UnixListener) {
        let log_limit = LogLimit::default();
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) => {
                    if let Some(suppressed) = log_limit.admit() {
                        warn!(%error, suppressed, "cannot accept a successor");
                    }
                    thread::sleep(RETRY);
                    continue;
                }
            };
            let peer = Peer::of(&stream).map_err(HandoverError::from);
            let peer = peer.and_then(Peer::check);
            match peer.and_then(|peer| self.hand_over(stream, peer.pid)) {
                Ok(()) => return,
                Err(error) => error!("handover failed, this process goes on: {error}"),
            }
        }
    }

    /// Hands over to the process at the other end. If that fails, nothing has changed.
    pub(crate) fn hand_over(
        &self,
        stream: UnixStream,
        pid: Option<u32>,
    ) -> Result<(), HandoverError> {
        let mut channel = Channel::new(stream, PREPARATION);
        let handed_over = match self.accepting.hold() {
            Some(_held) => self.run(&mut channel, pid),
            None => Err(HandoverError::NotServing),
        };
        if let Err(error) = &handed_over {
            // It may be gone.
            let _ = channel.send(Kind::Refused, error.to_string().as_bytes());
        }
        handed_over
    }

    fn run(&self, channel: &mut Channel, pid: Option<u32>) -> Result<(), HandoverError> {
        let hello = channel.expect(Kind::Hello)?.content;
        let (version, rest) = hello.split_first_chunk().unwrap_or((&[0; 4], &[]));
        let theirs = u32::from_be_bytes(*version);
        if theirs != VERSION {
            let ours = VERSION;
            return Err(HandoverError::Version { ours, theirs });
        }
        let sessions = rest.try_into().map(u32::from_be_bytes);
        let sessions = sessions.map_err(|_| HandoverError::Protocol("a malformed greeting"))?;
        info!(pid, "handover: a successor gets ready");
        let mut handover = self.resumption.hand_over();
        self.sockets.each(|purpose, socket| {
            channel.send_with(Kind::Socket, &purpose.to_bytes(), Some(socket))
        })?;
        channel.send(Kind::Ring, &self.resumption.ticket_ring().to_bytes())?;
        channel.send(Kind::State, &handover.state())?;
        send_sessions(channel, &mut handover, sessions)?;
        channel.expect(Kind::Prepared)?;

        let (open, paused) = (AcceptingState::Open, AcceptingState::Paused);
        if !self.accepting.change(open, paused) {
            return Err(HandoverError::NotServing);
        }
        let taken = self.let_take(channel, &mut handover, sessions);
        if let Err(error) = taken {
            drop(handover);
            self.accepting.change(paused, open);
            return Err(error);
        }
        handover.finish();
        self.accepting.change(paused, AcceptingState::HandedOver);
        self.sockets.close();
        // The successor says that it is ready after this, when its channel ends. And this process
        // may end at once when it is done: to systemd the service would have ended.
        if let Some(pid) = pid {
            systemd::main_process_is(pid);
        }
        let _ = self.done.blocking_send(());
        Ok(())
    }

    /// No connection is accepted meanwhile.
    fn let_take(
        &self,
        channel: &mut Channel,
        handover: &mut Handover<'_>,
        sessions: u32,
    ) -> Result<(), HandoverError> {
        channel.within(PAUSE);
        channel.send(Kind::Flights, &handover.close_early_data())?;
        send_sessions(channel, handover, sessions)?;
        channel.expect(Kind::Taken)?;
        channel.send(Kind::Go, &[])
    }
}

fn send_sessions(
    channel: &mut Channel,
    handover: &mut Handover<'_>,
    most: u32,
) -> Result<(), HandoverError> {
    handover.sessions(most as usize, |batch| channel.send(Kind::Sessions, batch))?;
    channel.send(Kind::End, &[])
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}
