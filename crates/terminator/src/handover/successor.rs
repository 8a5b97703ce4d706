//! The process that starts: takes over from the one that serves.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rekindle::openssl::{InheritedState, Resumption};
use rekindle::tickets::InheritedRing;
use tracing::info;

use super::channel::{Channel, Kind, VERSION};
use super::error::HandoverError;
use super::peer::Peer;
use super::sockets::{GivenSocket, Purpose};
use super::start::is_successor;

/// How long the predecessor may take: longer than it gives this process.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long the rest may take, in which it accepts nothing: longer than it gives itself.
const LAST_PATIENCE: Duration = Duration::from_secs(30);

/// What a predecessor hands over at first.
#[derive(Debug)]
pub(crate) struct Inheritance {
    pub(crate) sockets: Vec<GivenSocket>,
    /// For the ring of ticket keys and the resumption, which are built of them.
    pub(crate) ring: InheritedRing,
    pub(crate) state: InheritedState,
    pub(crate) rest: Rest,
}

/// What it hands over when there is a resumption.
#[derive(Debug)]
pub(crate) struct Rest(Channel);

impl Inheritance {
    /// The process that has started this one, or the one that listens at `path`, if there is any.
    pub(crate) fn find(path: Option<&Path>, sessions: u32) -> Result<Option<Self>, HandoverError> {
        if is_successor() {
            return Self::begin(of_standard_input()?, sessions).map(Some);
        }
        let Some(path) = path else {
            return Ok(None);
        };
        match UnixStream::connect(path) {
            // In a folder for all, another user may listen there first.
            Ok(stream) => {
                Peer::of(&stream)?.check()?;
                Self::begin(stream, sessions).map(Some)
            }
            // There is none, or it has ended and left its socket.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn begin(stream: UnixStream, sessions: u32) -> Result<Self, HandoverError> {
        let mut channel = Channel::new(stream, PATIENCE);
        let hello = [VERSION.to_be_bytes(), sessions.to_be_bytes()].concat();
        channel.send(Kind::Hello, &hello)?;
        let mut sockets = Vec::new();
        let ring = loop {
            let message = channel.receive()?;
            match (message.kind, message.socket) {
                (Kind::Ring, None) => break InheritedRing::parse(&message.content)?,
                (Kind::Socket, Some(socket)) => {
                    let purpose = Purpose::of_bytes(&message.content);
                    let purpose = purpose.ok_or(HandoverError::Protocol("an unknown socket"))?;
                    sockets.push(GivenSocket { purpose, socket });
                }
                _ => return Err(HandoverError::Protocol("another message than a socket")),
            }
        };
        let state = InheritedState::parse(&channel.expect(Kind::State)?.content)?;
        Ok(Self {
            sockets,
            ring,
            state,
            rest: Rest(channel),
        })
    }
}

impl Rest {
    /// Takes the sessions, while the predecessor serves.
    pub(crate) fn take_sessions(&mut self, resumption: &Resumption) -> Result<(), HandoverError> {
        loop {
            let message = self.0.receive()?;
            match message.kind {
                Kind::Sessions => resumption.inherit_sessions(&message.content)?,
                Kind::End => return Ok(()),
                _ => return Err(HandoverError::Protocol("another message than sessions")),
            }
        }
    }

    /// Takes over: when this returns, the predecessor accepts nothing any more. Nothing may fail
    /// after this.
    pub(crate) fn take_over(mut self, resumption: &Resumption) -> Result<TakenOver, HandoverError> {
        self.0.within(LAST_PATIENCE);
        self.0.send(Kind::Prepared, &[])?;
        let flights = self.0.expect(Kind::Flights)?;
        resumption.inherit_flights(&flights.content)?;
        self.take_sessions(resumption)?;
        self.0.send(Kind::Taken, &[])?;
        self.0.expect(Kind::Go)?;
        let sessions = resumption.cache().len();
        info!(sessions, "handover: taken over");
        Ok(TakenOver(self.0))
    }
}

/// This process serves, and its predecessor may not have told systemd yet.
#[derive(Debug)]
pub(crate) struct TakenOver(Channel);

impl TakenOver {
    /// Waits until it has: then the channel ends.
    pub(crate) fn wait(mut self) {
        self.0.within(Duration::from_secs(5));
        let _ = self.0.receive();
    }
}

/// The socket that a predecessor has left there, and nothing in its place.
fn of_standard_input() -> io::Result<UnixStream> {
    let stream = io::stdin().as_fd().try_clone_to_owned()?;
    let nothing = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(nothing)?;
    Ok(stream.into())
}
