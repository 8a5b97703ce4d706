//! What machines say to each other, within the seal.

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

/// In place of where the id begins in an encoding: it is not in there.
const APART: u16 = u16::MAX;

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
        out.push(match self.library {
            TlsLibrary::Rustls => RUSTLS_SESSION,
            _ => OPENSSL_SESSION,
        });
        out.extend_from_slice(&self.end.to_be_bytes());
        out.extend_from_slice(&self.since.to_be_bytes());
        // OpenSSL's encoding has the id in it.
        let place = place_of(&self.encoded, self.id.as_bytes());
        out.extend_from_slice(&place.unwrap_or(APART).to_be_bytes());
        put_id(out, &self.id, place.is_none());
        out.extend_from_slice(&self.encoded);
    }
}

impl Encode for Removal {
    fn most_bytes(&self) -> usize {
        64
    }

    fn write_alone(&self, out: &mut Vec<u8>) {
        out.push(REMOVAL);
        out.extend_from_slice(&self.end.to_be_bytes());
        put_id(out, &self.id, true);
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

impl Message {
    /// Reads messages. They are of a machine with the secret, but perhaps of another version of
    /// this program: in place of those that it does not know there is `None`.
    pub(crate) fn read_all(mut bytes: &[u8]) -> impl Iterator<Item = Option<Self>> {
        std::iter::from_fn(move || {
            let (len, rest) = match bytes.split_first_chunk() {
                Some(parts) => parts,
                None if bytes.is_empty() => return None,
                None => (&[u8::MAX; LEN], &[][..]),
            };
            let message = rest.split_at_checked(u16::from_be_bytes(*len).into());
            bytes = message.map_or(&[], |(_, rest)| rest);
            Some(message.and_then(|(message, _)| Self::parse(message)))
        })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        match *kind {
            OPENSSL_SESSION | RUSTLS_SESSION => {
                let (end, rest) = rest.split_first_chunk()?;
                let (since, rest) = rest.split_first_chunk()?;
                let (place, rest) = rest.split_first_chunk()?;
                let (id, encoded) = match u16::from_be_bytes(*place) {
                    APART => take_id(rest)?,
                    place => (take_id(rest.get(usize::from(place)..)?)?.0, rest),
                };
                Some(Self::Session(Session {
                    id,
                    end: u32::from_be_bytes(*end),
                    since: u32::from_be_bytes(*since),
                    encoded: Zeroizing::new(encoded.to_vec()),
                    library: match *kind {
                        RUSTLS_SESSION => TlsLibrary::Rustls,
                        _ => TlsLibrary::OpenSsl,
                    },
                }))
            }
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

/// Where the id stands in an encoding, behind its length.
fn place_of(encoded: &[u8], id: &[u8]) -> Option<u16> {
    let len = u8::try_from(id.len()).ok()?;
    let is_there = |window: &[u8]| window[0] == len && window[1..] == *id;
    let place = encoded.windows(id.len() + 1).position(is_there)?;
    u16::try_from(place).ok().filter(|place| *place != APART)
}

fn put_id(out: &mut Vec<u8>, id: &SessionId, is_apart: bool) {
    if is_apart {
        out.push(id.as_bytes().len() as u8);
        out.extend_from_slice(id.as_bytes());
    }
}

fn take_id(bytes: &[u8]) -> Option<(SessionId, &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (id, rest) = rest.split_at_checked(usize::from(*len))?;
    Some((SessionId::new(id).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &[u8], encoded: &[u8], library: TlsLibrary) -> Message {
        Message::Session(Session {
            id: SessionId::new(id).unwrap(),
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

    fn all() -> Vec<Message> {
        let mut all = Vec::new();
        let (id, longest) = ([7; 32], [9; MAX_SESSION]);
        let within = [&b"der\x04"[..], &[32], &id, b"rest"].concat();
        for library in [TlsLibrary::OpenSsl, TlsLibrary::Rustls] {
            all.push(session(&id, &within, library));
            for encoded in [&b""[..], b"apart", &longest] {
                all.push(session(&id, encoded, library));
                all.push(session(&[1], encoded, library));
            }
        }
        let id = SessionId::new(&id).unwrap();
        all.push(Message::Removal(Removal { id, end: 5 }));
        let until = Duration::from_millis(1_700_000_000_123);
        for scope in [None, Some([3; Scope::LEN])] {
            all.push(Message::Revocation { scope, until });
        }
        all
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        for message in all() {
            assert!(Message::parse(&written(&message)) == Some(message));
        }
    }

    #[test]
    fn an_id_that_is_in_the_encoding_is_not_sent_twice() {
        let id = [7; 32];
        let within = [&b"der"[..], &[32], &id].concat();
        let len = |encoded: &[u8]| written(&session(&id, encoded, TlsLibrary::OpenSsl)).len();
        assert_eq!(len(&within), 11 + within.len());
        // Of another length, or at the very end.
        assert_eq!(len(&within[..35]), 11 + 33 + 35);
        let last = [&[0; MAX_SESSION - 33][..], &[32], &id].concat();
        assert_eq!(len(&last), 11 + last.len());
        let message = session(&id, &last, TlsLibrary::OpenSsl);
        assert!(Message::parse(&written(&message)) == Some(message));
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
        let read: Vec<_> = Message::read_all(&bytes).collect();
        assert_eq!(read.len(), 2 * all.len());
        assert!(read.iter().skip(1).step_by(2).all(Option::is_none));
        assert!(read.into_iter().flatten().eq(all.iter().cloned()));
        // The last is cut off, anywhere.
        for less in 1..5 {
            let cut: Vec<_> = Message::read_all(&bytes[..bytes.len() - less]).collect();
            assert_eq!(cut.len(), 2 * all.len());
            assert!(cut.into_iter().flatten().eq(all.iter().cloned()));
        }
        assert!(Message::read_all(&[]).next().is_none());
        assert!(Message::read_all(&[0, 0]).eq([None]));
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_another_message_or_none() {
        for message in all() {
            let bytes = written(&message);
            for len in (0..bytes.len())
                .take(200)
                .chain(bytes.len().saturating_sub(3)..bytes.len())
            {
                let parsed = Message::parse(&bytes[..len]);
                assert!(parsed.as_ref() != Some(&message));
                // An encoding has no end of its own; the others do.
                let is_session = matches!(message, Message::Session(_));
                let is_of_all = |parsed: &Message| {
                    matches!(parsed, Message::Revocation { scope: None, .. }) && len == 9
                };
                assert!(is_session || parsed.as_ref().is_none_or(is_of_all));
            }
            let longer = [&bytes[..], &[0]].concat();
            assert!(Message::parse(&longer) != Some(message));
        }
    }

    #[test]
    fn an_id_that_none_can_have_is_no_message() {
        let mut bytes = written(&session(&[7; 32], b"", TlsLibrary::Rustls));
        for len in [0, 33, 255] {
            bytes[11] = len;
            assert!(Message::parse(&bytes).is_none());
        }
        // Its place is behind the end.
        bytes[9..11].copy_from_slice(&1000_u16.to_be_bytes());
        assert!(Message::parse(&bytes).is_none());
        assert!((0..=255).all(|kind| kind < 5 || Message::parse(&[kind; 64]).is_none()));
    }
}
