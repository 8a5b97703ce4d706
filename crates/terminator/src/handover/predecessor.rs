//! The process that serves: hands over to whichever successor comes.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rekindle::openssl::{Handover, Resumption};
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use tokio::sync::mpsc;
use tracing::{error, info};

use super::accepting::{Accepting, AcceptingState};
use super::channel::{Channel, Kind, VERSION};
use super::error::HandoverError;
use super::sockets::{Purpose, Sockets};

/// How long a successor may take to take everything over and get ready, while this process serves.
const PREPARATION: Duration = Duration::from_secs(120);

/// How long no connection may be accepted.
const PAUSE: Duration = Duration::from_secs(10);

/// What a process that serves hands over, and how.
#[derive(Debug, Clone)]
pub(crate) struct Predecessor {
    pub(crate) resumption: Resumption,
    pub(crate) accepting: Arc<Accepting>,
    pub(crate) sockets: Arc<Sockets>,
    /// Is told the successor's process id when it serves.
    pub(crate) done: mpsc::Sender<u32>,
}

impl Predecessor {
    /// Waits for successors at a Unix socket, on a thread of its own. Takes the place of another
    /// socket there.
    pub(crate) fn listen(self, path: &Path) -> io::Result<()> {
        // In one step: a successor that starts now finds the one or the other.
        let new = aside(path);
        let _ = fs::remove_file(&new);
        let listener = UnixListener::bind(&new)?;
        fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        fs::rename(&new, path)?;
        let run = move || {
            for stream in listener.incoming() {
                let served = stream.map_err(HandoverError::from).and_then(|stream| {
                    let peer = socket_peercred(&stream).map_err(io::Error::from)?;
                    let (ours, theirs) = (geteuid().as_raw(), peer.uid.as_raw());
                    match ours == theirs {
                        true => self.hand_over(stream, peer.pid.as_raw_nonzero().get() as u32),
                        false => Err(HandoverError::User { ours, theirs }),
                    }
                });
                match served {
                    Ok(()) => return,
                    Err(error) => error!("handover failed, this process goes on: {error}"),
                }
            }
        };
        thread::Builder::new().name("handover".into()).spawn(run)?;
        Ok(())
    }

    /// Hands over to the process at the other end. If that fails, nothing has changed.
    pub(crate) fn hand_over(&self, stream: UnixStream, pid: u32) -> Result<(), HandoverError> {
        let mut channel = Channel::new(stream, PREPARATION);
        let handed_over = self.run(&mut channel, pid);
        if let Err(error) = &handed_over {
            // It may be gone.
            let _ = channel.send(Kind::Refused, error.to_string().as_bytes());
        }
        handed_over
    }

    fn run(&self, channel: &mut Channel, pid: u32) -> Result<(), HandoverError> {
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
            let purpose = match purpose {
                Purpose::Listen(address) => address.as_deref().unwrap_or_default(),
                Purpose::Admin => "admin",
            };
            channel.send_with(Kind::Socket, purpose.as_bytes(), Some(socket))
        })?;
        channel.send(Kind::Ring, &self.resumption.ticket_ring().to_bytes())?;
        channel.send(Kind::State, &handover.state())?;
        send_sessions(channel, &mut handover, sessions)?;
        channel.expect(Kind::Prepared)?;

        let (open, paused) = (AcceptingState::Open, AcceptingState::Paused);
        if !self.accepting.change(open, paused) {
            return Err(HandoverError::NotServing);
        }
        let taken = self.let_take(channel, &mut handover, sessions, pid);
        if let Err(error) = taken {
            drop(handover);
            self.accepting.change(paused, open);
            return Err(error);
        }
        handover.finish();
        self.accepting.change(paused, AcceptingState::HandedOver);
        self.sockets.close();
        let _ = self.done.blocking_send(pid);
        Ok(())
    }

    /// No connection is accepted meanwhile.
    fn let_take(
        &self,
        channel: &mut Channel,
        handover: &mut Handover<'_>,
        sessions: u32,
        pid: u32,
    ) -> Result<(), HandoverError> {
        channel.within(PAUSE);
        channel.send(Kind::Flights, &handover.close_early_data())?;
        send_sessions(channel, handover, sessions)?;
        channel.expect(Kind::Taken)?;
        // The service manager believes the successor from here on.
        crate::systemd::main_process_is(pid);
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
