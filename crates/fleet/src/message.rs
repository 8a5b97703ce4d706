//! What machines say to each other, within the seal.

use std::ops::Range;
use std::time::Duration;

use rekindle::SessionId;
use rekindle::resume::{Scope, TlsLibrary};
use zeroize::Zeroizing;

/// A message.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Message {
    Session(Session),
    Removal(Removal),
    /// No session that began by then is resumed; of a scope, or of all.
    Revocation {
        scope: Option<[u8; Scope::LEN]>,
        until: Duration,
    },
}

/// A session. Times are whole seconds since 1970.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) scope: Scope,
    pub(crate) end: u32,
    /// When the machine that made it has taken note of it.
    pub(crate) since: u32,
    pub(crate) encoded: Zeroizing<Vec<u8>>,
    pub(crate) library: TlsLibrary,
}

/// That a session is not to be resumed any more, which would have ended then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    pub(crate) id: SessionId,
    pub(crate) end: u32,
}

/// The largest session that is shared, in bytes of its encoding: one with some client certificates.
pub const MAX_SESSION: usize = 32 * 1024;

const OPENSSL_SESSION: u8 = 1;
const REMOVAL: u8 = 2;
const REVOCATION: u8 = 3;
const RUSTLS_SESSION: u8 = 4;

/// Bytes of a message's length.
const LEN: usize = 2;

/// In place of where something begins in an encoding: it is not in there.
const ABSENT: u16 = u16::MAX;

/// A session that is written under its own name, which tells readers the id.
pub(crate) struct Named<'s>(pub(crate) &'s Session);

/// What readers know of a session by where it stands. It is not written, also not as a part of an
/// encoding: OpenSSL's has id and scope in it.
#[derive(Clone, Copy)]
pub(crate) struct Known<'k> {
    pub(crate) scope: &'k Scope,
    pub(crate) id: Option<&'k SessionId>,
}

/// A time as messages have it.
pub(crate) fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// What can be sealed. A session and a removal are written as the message that they are.
pub(crate) trait Encode {
    /// No fewer bytes than it has.
    fn most_bytes(&self) -> usize;

    fn write_alone(&self, out: &mut Vec<u8>);

    /// Writes it behind its length.
    fn write(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&[0; LEN]);
        self.write_alone(out);
        // None is as long: see `MAX_SESSION`.
        let len = u16::try_from(out.len() - begin - LEN).unwrap_or(u16::MAX);
        out[begin..begin + LEN].copy_from_slice(&len.to_be_bytes());
    }
}

impl Encode for Session {
    fn most_bytes(&self) -> usize {
        self.encoded.len() + 64
    }

    fn write_alone(&self, out: &mut Vec<u8>) {
        self.write_with_id(self.id.as_bytes(), out);
    }
}

impl Encode for Named<'_> {
    fn most_bytes(&self) -> usize {
        self.0.most_bytes()
    }

    fn write_alone(&self, out: &mut Vec<u8>) {
        self.0.write_with_id(&[], out);
    }
}

impl Encode for Removal {
    fn most_bytes(&self) -> usize {
        64
    }

    fn write_alone(&self, out: &mut Vec<u8>) {
        out.push(REMOVAL);
        out.extend_from_slice(&self.end.to_be_bytes());
        put_id(out, self.id.as_bytes());
    }
}

impl Encode for Message {
    fn most_bytes(&self) -> usize {
        match self {
            Self::Session(session) => session.most_bytes(),
            Self::Removal(_) | Self::Revocation { .. } => 64,
        }
    }

    fn write_alone(&self, out: &mut Vec<u8>) {
        match self {
            Self::Session(session) => session.write_alone(out),
            Self::Removal(removal) => removal.write_alone(out),
            Self::Revocation { scope, until } => {
                out.push(REVOCATION);
                let millis = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
                out.extend_from_slice(&millis.to_be_bytes());
                out.extend_from_slice(scope.as_ref().map_or(&[][..], |scope| &scope[..]));
            }
        }
    }
}

impl Session {
    fn write_with_id(&self, id: &[u8], out: &mut Vec<u8>) {
        out.push(match self.library {
            TlsLibrary::Rustls => RUSTLS_SESSION,
            _ => OPENSSL_SESSION,
        });
        out.extend_from_slice(&self.end.to_be_bytes());
        out.extend_from_slice(&self.since.to_be_bytes());
        let parts = parts(&self.encoded, [self.id.as_bytes(), self.scope.as_bytes()]);
        for part in &parts {
            let at = part.as_ref().map_or(ABSENT, |part| part.start as u16);
            out.extend_from_slice(&at.to_be_bytes());
        }
        put_id(out, id);
        let mut parts: Vec<_> = parts.into_iter().flatten().collect();
        parts.sort_by_key(|part| part.start);
        let mut written = 0;
        for part in parts {
            out.extend_from_slice(&self.encoded[written..part.start]);
            written = part.end;
        }
        out.extend_from_slice(&self.encoded[written..]);
    }

    fn parse(library: TlsLibrary, rest: &[u8], known: Known<'_>) -> Option<Self> {
        let (end, rest) = rest.split_first_chunk()?;
        let (since, rest) = rest.split_first_chunk()?;
        let (id_at, rest) = rest.split_first_chunk()?;
        let (scope_at, rest) = rest.split_first_chunk()?;
        let (id, mut rest) = match rest.split_first()? {
            (0, rest) => (*known.id?, rest),
            _ => take_id(rest)?,
        };
        let mut parts = [(id_at, id.as_bytes()), (scope_at, known.scope.as_bytes())]
            .map(|(at, part)| (u16::from_be_bytes(*at), part));
        parts.sort_by_key(|(at, _)| *at);
        // Never grows: a vector that does leaves a copy of the secret behind.
        let mut encoded = Zeroizing::new(Vec::with_capacity(rest.len() + 2 * Scope::LEN));
        for (at, part) in parts.into_iter().filter(|(at, _)| *at != ABSENT) {
            let before = usize::from(at).checked_sub(encoded.len())?;
            let (before, after) = rest.split_at_checked(before)?;
            encoded.extend_from_slice(before);
            encoded.extend_from_slice(part);
            rest = after;
        }
        encoded.extend_from_slice(rest);
        Some(Self {
            id,
            scope: *known.scope,
            end: u32::from_be_bytes(*end),
            since: u32::from_be_bytes(*since),
            encoded,
            library,
        })
    }
}

impl Message {
    /// Reads messages, sessions only where their scope is known. They are of a machine with the
    /// secret, but perhaps of another version of this program: in place of those that it does not
    /// know there is `None`.
    pub(crate) fn read_all<'b>(
        mut bytes: &'b [u8],
        known: Option<Known<'b>>,
    ) -> impl Iterator<Item = Option<Self>> {
        std::iter::from_fn(move || {
            let (len, rest) = match bytes.split_first_chunk() {
                Some(parts) => parts,
                None if bytes.is_empty() => return None,
                None => (&[u8::MAX; LEN], &[][..]),
            };
            let message = rest.split_at_checked(u16::from_be_bytes(*len).into());
            bytes = message.map_or(&[], |(_, rest)| rest);
            Some(message.and_then(|(message, _)| Self::parse(message, known)))
        })
    }

    fn parse(bytes: &[u8], known: Option<Known<'_>>) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        match *kind {
            OPENSSL_SESSION => Session::parse(TlsLibrary::OpenSsl, rest, known?).map(Self::Session),
            RUSTLS_SESSION => Session::parse(TlsLibrary::Rustls, rest, known?).map(Self::Session),
            REMOVAL => {
                let (end, rest) = rest.split_first_chunk()?;
                let (id, []) = take_id(rest)? else {
                    return None;
                };
                let end = u32::from_be_bytes(*end);
                Some(Self::Removal(Removal { id, end }))
            }
            REVOCATION => {
                let (millis, scope) = rest.split_first_chunk()?;
                let scope = match scope {
                    [] => None,
                    scope => Some(scope.try_into().ok()?),
                };
                let until = Duration::from_millis(u64::from_be_bytes(*millis));
                Some(Self::Revocation { scope, until })
            }
            _ => None,
        }
    }
}

/// Where these stand in an encoding, unless they overlap.
fn parts(encoded: &[u8], [first, second]: [&[u8]; 2]) -> [Option<Range<usize>>; 2] {
    let find = |part: &[u8]| {
        // None is as long: see `MAX_SESSION`.
        let at = (encoded.windows(part.len())).position(|window| window == part)?;
        Some(at..at + part.len())
    };
    let (first, second) = (find(first), find(second));
    let is_apart = |other: &Range<usize>| {
        let first = first.clone().unwrap_or_default();
        first.end <= other.start || other.end <= first.start
    };
    let second = second.filter(is_apart);
    [first, second]
}

fn put_id(out: &mut Vec<u8>, id: &[u8]) {
    out.push(id.len() as u8);
    out.extend_from_slice(id);
}

fn take_id(bytes: &[u8]) -> Option<(SessionId, &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (id, rest) = rest.split_at_checked(usize::from(*len))?;
    Some((SessionId::new(id).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: [u8; Scope::LEN] = [3; Scope::LEN];

    fn session(id: &[u8], encoded: &[u8], library: TlsLibrary) -> Message {
        Message::Session(Session {
            id: SessionId::new(id).unwrap(),
            scope: Scope::from_bytes(SCOPE),
            end: 0x0102_0304,
            since: 0xf0f1_f2f3,
            encoded: Zeroizing::new(encoded.to_vec()),
            library,
        })
    }

    fn written(message: &Message) -> Vec<u8> {
        let mut bytes = Vec::new();
        message.write_alone(&mut bytes);
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Message> {
        read_under(None, bytes)
    }

    fn read_under(id: Option<&SessionId>, bytes: &[u8]) -> Option<Message> {
        let scope = &Scope::from_bytes(SCOPE);
        Message::parse(bytes, Some(Known { scope, id }))
    }

    fn sessions() -> Vec<Message> {
        let mut all = Vec::new();
        let (id, longest) = ([7; 32], [9; MAX_SESSION]);
        for encoded in [
            &b""[..],
            b"neither",
            &longest,
            &[&longest[64..], &id, &SCOPE].concat(),
            &[&SCOPE[..], &id].concat(),
            &[b"der", &id[..], b"between", &SCOPE, b"rest"].concat(),
            &[b"der", &SCOPE[..], b"between", &id, b"rest"].concat(),
            &[b"twice", &id[..], &SCOPE, &id, &SCOPE].concat(),
        ] {
            // The last is a part of the scope.
            for id in [&id[..], &[1], &[7], &SCOPE[..5]] {
                all.push(session(id, encoded, TlsLibrary::OpenSsl));
                all.push(session(id, encoded, TlsLibrary::Rustls));
            }
        }
        all
    }

    fn all() -> Vec<Message> {
        let mut all = sessions();
        let id = SessionId::new(&[7; 32]).unwrap();
        all.push(Message::Removal(Removal { id, end: 5 }));
        let until = Duration::from_millis(1_700_000_000_123);
        for scope in [None, Some(SCOPE)] {
            all.push(Message::Revocation { scope, until });
        }
        all
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        for message in all() {
            let bytes = written(&message);
            assert!(read(&bytes) == Some(message));
        }
        for message in sessions() {
            let Message::Session(session) = &message else {
                unreachable!("they are sessions")
            };
            let mut bytes = Vec::new();
            Named(session).write_alone(&mut bytes);
            assert!(read_under(Some(&session.id), &bytes) == Some(message.clone()));
            assert!(read(&bytes).is_none(), "the id is not known");
            // One that says its id is read as it says.
            let other = SessionId::new(&[8; 32]).unwrap();
            assert!(read_under(Some(&other), &written(&message)) == Some(message));
        }
    }

    #[test]
    fn sessions_are_read_where_their_scope_is_known_and_all_else_anywhere() {
        for message in all() {
            let is_session = matches!(message, Message::Session(_));
            let bytes = written(&message);
            assert_eq!(Message::parse(&bytes, None).is_none(), is_session);
        }
    }

    #[test]
    fn what_readers_know_is_not_written() {
        let id = [7; 32];
        let id = SessionId::new(&id).unwrap();
        let len = |encoded: &[u8]| {
            let Message::Session(session) = session(id.as_bytes(), encoded, TlsLibrary::OpenSsl)
            else {
                unreachable!("it is a session")
            };
            let (mut alone, mut named) = (Vec::new(), Vec::new());
            session.write_alone(&mut alone);
            Named(&session).write_alone(&mut named);
            (alone.len(), named.len())
        };
        let within = [&b"der"[..], id.as_bytes(), b"between", &SCOPE].concat();
        assert_eq!(len(&within), (14 + 32 + 10, 14 + 10));
        // Not the whole of it.
        let cut_off = &within[..within.len() - 1];
        assert_eq!(len(cut_off), (14 + 32 + 10 + 31, 14 + 10 + 31));
    }

    #[test]
    fn the_vector_never_grows() {
        for message in all() {
            let mut bytes = Vec::new();
            message.write(&mut bytes);
            assert!(
                bytes.len() <= message.most_bytes(),
                "a copy of the secret would stay behind"
            );
        }
    }

    #[test]
    fn messages_stand_behind_each_other_and_unknown_ones_between_them() {
        let (mut bytes, all) = (Vec::new(), all());
        for message in &all {
            message.write(&mut bytes);
            bytes.extend_from_slice(&[0, 3, u8::MAX, 7, 7]);
        }
        let scope = &Scope::from_bytes(SCOPE);
        let known = Some(Known { scope, id: None });
        let read: Vec<_> = Message::read_all(&bytes, known).collect();
        assert_eq!(read.len(), 2 * all.len());
        assert!(read.iter().skip(1).step_by(2).all(Option::is_none));
        assert!(read.into_iter().flatten().eq(all.iter().cloned()));
        // The last is cut off, anywhere.
        for less in 1..5 {
            let bytes = &bytes[..bytes.len() - less];
            let cut: Vec<_> = Message::read_all(bytes, known).collect();
            assert_eq!(cut.len(), 2 * all.len());
            assert!(cut.into_iter().flatten().eq(all.iter().cloned()));
        }
        assert!(Message::read_all(&[], known).next().is_none());
        assert!(Message::read_all(&[0, 0], known).eq([None]));
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_another_message_or_none() {
        for message in all() {
            let bytes = written(&message);
            for len in (0..bytes.len())
                .take(200)
                .chain(bytes.len().saturating_sub(3)..bytes.len())
            {
                let parsed = read(&bytes[..len]);
                assert!(parsed.as_ref() != Some(&message));
                // An encoding has no end of its own; the others do.
                let is_session = matches!(message, Message::Session(_));
                let is_of_all = |parsed: &Message| {
                    matches!(parsed, Message::Revocation { scope: None, .. }) && len == 9
                };
                assert!(is_session || parsed.as_ref().is_none_or(is_of_all));
            }
            let longer = [&bytes[..], &[0]].concat();
            assert!(read(&longer) != Some(message));
        }
    }

    #[test]
    fn an_id_that_none_can_have_is_no_message_nor_a_place_behind_the_end() {
        let whole = [&b"der"[..], &[7; 32], &SCOPE].concat();
        let bytes = written(&session(&[7; 32], &whole, TlsLibrary::Rustls));
        for len in [33, 255] {
            let mut bytes = bytes.clone();
            bytes[13] = len;
            assert!(read(&bytes).is_none());
        }
        // Where id and scope begin: behind the end, or within each other.
        for (place, at) in [(9, 1000), (9, 36), (11, 1000), (11, 34), (11, 36)] {
            let mut bytes = bytes.clone();
            bytes[place..place + 2].copy_from_slice(&u16::to_be_bytes(at));
            assert!(read(&bytes).is_none(), "{place} {at}");
        }
        assert!((0..=255).all(|kind| kind < 5 || read(&[kind; 64]).is_none()));
    }
}
