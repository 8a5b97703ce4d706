//! What a process hands over to its successor on the same machine, so that a restart costs no
//! client its session: which program, over which channel, is the embedder's.
//!
//! All bytes here are secrets. They go from one process to another of the same user, and never to a
//! disk.

use std::collections::HashSet;
use std::fmt;
use std::io;

use ahash::RandomState;
use zeroize::Zeroizing;

use super::resumption::Resumption;
use crate::resume::{IvTimestamps, Revocations};
use crate::state::{Reader, StateError, Writer};
use crate::tickets::TicketRing;
use crate::{SessionId, Time};

/// Bytes of sessions that are sent at once, about.
const BATCH: usize = 64 * 1024;

const REMOVED: u8 = 0;
const SESSION: u8 = 1;

/// Hands a resumption over to a successor, one at a time. Until [`finish`](Self::finish), this
/// process can go on as if nothing had been: a handover that is dropped accepts early data again.
///
/// ```no_run
/// # use rekindle::openssl::{InheritedState, Resumption};
/// # use rekindle::tickets::{InheritedRing, TicketRing};
/// # fn channel(_: &[u8]) -> std::io::Result<()> { Ok(()) }
/// # fn received() -> Vec<u8> { Vec::new() }
/// # fn predecessor(resumption: &Resumption) -> Result<(), Box<dyn std::error::Error>> {
/// let mut handover = resumption.hand_over();
/// channel(&resumption.ticket_ring().to_bytes())?;
/// channel(&handover.state())?;
/// handover.sessions(100_000, channel)?; // those of now, while handshakes go on
/// // The successor is ready. Accept no connections from here on.
/// channel(&handover.close_early_data())?;
/// handover.sessions(100_000, channel)?; // what has changed meanwhile
/// // The successor says that it has taken over.
/// handover.finish();
/// # Ok(())
/// # }
///
/// # fn successor() -> Result<(), Box<dyn std::error::Error>> {
/// let ring = InheritedRing::parse(&received())?;
/// let ring = TicketRing::builder().inherit(ring).build()?;
/// let resumption = Resumption::builder().ticket_ring(ring.into());
/// let resumption = resumption.inherit(InheritedState::parse(&received())?).build()?;
/// resumption.inherit_sessions(&received())?; // each of them
/// resumption.inherit_flights(&received())?;
/// # Ok(())
/// # }
/// ```
pub struct Handover<'r> {
    resumption: &'r Resumption,
    /// The sessions that were sent, or left out.
    known: HashSet<SessionId, RandomState>,
    /// What this handover has closed early data over.
    closed: Option<u64>,
}

/// What a successor is built from, beside the ring of ticket keys.
pub struct InheritedState {
    pub(super) timestamps: IvTimestamps,
    /// When the first process of the line started that accepts early data.
    pub(super) started: Option<Time>,
    /// Whether another process has handed it over.
    pub(super) is_inherited: bool,
    pub(super) revocations: Revocations,
}

impl Resumption {
    /// Begins a handover to a successor on this machine. The ring of ticket keys is handed over by
    /// [`TicketRing::to_bytes`](crate::tickets::TicketRing::to_bytes).
    #[must_use]
    pub fn hand_over(&self) -> Handover<'_> {
        Handover {
            resumption: self,
            known: HashSet::default(),
            closed: None,
        }
    }

    /// Takes sessions that [`Handover::sessions`] has sent. Those that the cache refuses are left
    /// out.
    ///
    /// # Errors
    ///
    /// [`StateError`]; the sessions before the fault are taken.
    pub fn inherit_sessions(&self, bytes: &[u8]) -> Result<(), StateError> {
        let cache = self.cache();
        let mut from = Reader::new(bytes);
        while !from.is_empty() {
            let (kind, id) = (from.byte()?, from.bytes()?);
            let id = SessionId::new(id).map_err(|_| StateError::Invalid("session id"))?;
            match kind {
                REMOVED => drop(cache.remove(&id)),
                SESSION => {
                    let (expires_at, began) = (from.time()?, from.time()?);
                    cache.insert_inherited(&id, from.bytes()?, expires_at, began)?;
                }
                _ => return Err(StateError::Invalid("kind of a record")),
            }
        }
        Ok(())
    }

    /// Takes what [`Handover::close_early_data`] has returned: the last revocations, and the
    /// flights of early data that are not accepted again.
    ///
    /// # Errors
    ///
    /// [`StateError`]: do not accept connections.
    pub fn inherit_flights(&self, bytes: &[u8]) -> Result<(), StateError> {
        let sealer = &self.shared.sealer;
        let mut from = Reader::new(bytes);
        sealer.bindings.revocations.add(&mut from)?;
        match &sealer.early_data {
            Some(gate) => gate.inherit(from, sealer.ring.now()),
            None => Ok(()),
        }
    }
}

impl Handover<'_> {
    /// What the successor's resumption is built from; [`InheritedState::parse`] reads it.
    #[must_use]
    pub fn state(&self) -> Zeroizing<Vec<u8>> {
        let sealer = &self.resumption.shared.sealer;
        let mut out = Writer::with_capacity(1024);
        sealer.timestamps.write_state(&mut out);
        let started = sealer.early_data.as_ref().map(|gate| gate.started());
        out.byte(started.is_some().into());
        out.time(started.unwrap_or(Time::NEVER));
        sealer.bindings.revocations.write(&mut out);
        out.finish()
    }

    /// Sends sessions by `send`, in batches: at the first call those of now, `most` of them at
    /// most, first of all those that were resumed before; at a later call what was added and what
    /// was removed since. Reads the cache without keeping its memory back for long. Sessions of
    /// rustls beside OpenSSL stay behind: each process would accept early data of a client once.
    ///
    /// # Errors
    ///
    /// That of `send`.
    pub fn sessions<E>(
        &mut self,
        most: usize,
        mut send: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let cache = self.resumption.cache();
        let mut now: Vec<(bool, SessionId)> = (cache.pin().iter())
            .map(|entry| (entry.was_resumed(), *entry.id()))
            .collect();
        now.sort_by_key(|(was_resumed, _)| !was_resumed);
        let now: Vec<SessionId> = now.into_iter().map(|(_, id)| id).collect();
        let most = match self.known.is_empty() {
            true => most,
            false => usize::MAX,
        };
        let is_new = |id: &&SessionId| !self.known.contains(*id);
        let added: Vec<SessionId> = now.iter().filter(is_new).take(most).copied().collect();
        let now: HashSet<SessionId, RandomState> = now.into_iter().collect();
        let mut batch = Writer::with_capacity(BATCH + BATCH / 4);
        for id in &added {
            cache.peek_session(id, |encoded, expires_at, began| {
                batch.byte(SESSION);
                batch.bytes(id.as_bytes());
                batch.time(expires_at);
                batch.time(began);
                batch.bytes(encoded);
            });
            flush(&mut batch, BATCH, &mut send)?;
        }
        for id in self.known.difference(&now) {
            batch.byte(REMOVED);
            batch.bytes(id.as_bytes());
            flush(&mut batch, BATCH, &mut send)?;
        }
        flush(&mut batch, 1, &mut send)?;
        self.known = now;
        Ok(())
    }

    /// Has this process refuse early data from now on. Returns what
    /// [`Resumption::inherit_flights`] takes: after this, no flight is accepted that is not in it.
    #[must_use]
    pub fn close_early_data(&mut self) -> Zeroizing<Vec<u8>> {
        let sealer = &self.resumption.shared.sealer;
        if let Some(gate) = &sealer.early_data {
            let before = gate.close();
            self.closed.get_or_insert(before);
        }
        let mut out = Writer::with_capacity(BATCH);
        sealer.bindings.revocations.write(&mut out);
        if let Some(gate) = &sealer.early_data {
            gate.write_flights(&mut out);
        }
        out.finish()
    }

    /// The successor serves: this process refuses early data for good.
    pub fn finish(mut self) {
        self.closed = None;
        if let Some(gate) = &self.resumption.shared.sealer.early_data {
            gate.close();
        }
    }
}

impl Drop for Handover<'_> {
    fn drop(&mut self) {
        let gate = self.resumption.shared.sealer.early_data.as_ref();
        if let (Some(gate), Some(before)) = (gate, self.closed) {
            gate.reopen(before);
        }
    }
}

impl InheritedState {
    /// That of a process without a predecessor.
    pub(super) fn none(ring: &TicketRing) -> io::Result<Self> {
        Ok(Self {
            timestamps: IvTimestamps::new(ring.now().as_millis(), ring.unix_time())?,
            started: None,
            is_inherited: false,
            revocations: Revocations::default(),
        })
    }

    /// Reads what [`Handover::state`] has written.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, StateError> {
        let mut from = Reader::new(bytes);
        let timestamps = IvTimestamps::read_state(&mut from)?;
        let started = match (from.byte()?, from.time()?) {
            (0, _) => None,
            (_, started) => Some(started),
        };
        let revocations = Revocations::default();
        revocations.add(&mut from)?;
        from.end()?;
        Ok(Self {
            timestamps,
            started,
            is_inherited: true,
            revocations,
        })
    }
}

fn flush<E>(
    batch: &mut Writer,
    least: usize,
    send: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    match batch.len() >= least {
        true => send(&std::mem::replace(batch, Writer::with_capacity(BATCH + BATCH / 4)).finish()),
        false => Ok(()),
    }
}

/// Shows no secrets.
impl fmt::Debug for Handover<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover")
            .field("known", &self.known.len())
            .finish_non_exhaustive()
    }
}

/// Shows no secrets.
impl fmt::Debug for InheritedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InheritedState")
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}
