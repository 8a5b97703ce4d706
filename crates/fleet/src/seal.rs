//! What the store gets to see: sealed for the machines that have the fleet's secret.
//!
//! ```text
//! version[1] | origin[8] | nonce[12] | AES-256-GCM(messages) | tag[16]
//! ```
//!
//! Authenticated with it: version, kind and origin, and what it is bound to (a scope, a session's
//! id). Each process has a key of its own in each period, so that random nonces are safe for 2^32
//! values of each.

use std::collections::HashMap;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, Nonce};
use ahash::RandomState;
use zeroize::Zeroizing;

use crate::message::Encode;
use crate::schedule::{Origin, PeriodKeys};

const VERSION: u8 = 1;
const ORIGIN: usize = size_of::<Origin>();
const NONCE: usize = 12;
const TAG: usize = 16;
pub(crate) const HEAD: usize = 1 + ORIGIN + NONCE;

/// The most ciphers that are kept: those of a large fleet.
const MOST_CIPHERS: usize = 1024;

/// What a sealed value is, so that none passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A session in the stream of its scope.
    Session = 1,
    /// A removal or revocation in the stream of those.
    Ending = 2,
    /// A session under its own name.
    Entry = 3,
    /// In its place, that it was removed.
    Gone = 4,
}

/// Why a value is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// It was sealed here.
    Own,
    /// It has another version.
    Version,
    /// It was not sealed with the fleet's secret, or for another place.
    Forged,
}

/// Seals what this process writes, and opens what others have written.
pub(crate) struct Sealer {
    origin: Origin,
    ciphers: HashMap<(u64, Origin), Aes256Gcm, RandomState>,
    random: Box<[u8; NONCE * 64]>,
    used: usize,
}

impl Sealer {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut origin = Origin::default();
        getrandom::fill(&mut origin)?;
        let random = Box::new([0; NONCE * 64]);
        Ok(Self {
            origin,
            ciphers: HashMap::default(),
            used: random.len(),
            random,
        })
    }

    /// Seals messages.
    ///
    /// # Errors
    ///
    /// The operating system gives no random bytes.
    pub(crate) fn seal<'m, M: Encode + 'm>(
        &mut self,
        (period, keys): (u64, &PeriodKeys),
        kind: Kind,
        bound_to: &[u8],
        messages: impl Iterator<Item = &'m M> + Clone,
    ) -> Result<Vec<u8>, getrandom::Error> {
        let nonce = self.nonce()?;
        let most: usize = messages.clone().map(Encode::most_bytes).sum();
        // Never grows: a vector that does leaves a copy of the secret behind.
        let mut out = Vec::with_capacity(HEAD + most + TAG);
        out.push(VERSION);
        out.extend_from_slice(&self.origin);
        out.extend_from_slice(&nonce);
        messages.for_each(|message| message.write(&mut out));
        let authenticated = authenticated(kind, &self.origin, bound_to);
        let cipher = self.ciphers.entry((period, self.origin));
        let cipher = cipher.or_insert_with(|| keys.cipher(&self.origin));
        let bytes = &mut out[HEAD..];
        let tag = cipher.encrypt_inout_detached(&Nonce::from(nonce), &authenticated, bytes.into());
        out.extend_from_slice(&tag.expect("less than 64 GB"));
        Ok(out)
    }

    /// Opens a value: its body.
    pub(crate) fn open(
        &mut self,
        (period, keys): (u64, &PeriodKeys),
        kind: Kind,
        bound_to: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let (head, rest) = sealed.split_first_chunk::<HEAD>().ok_or(Unopened::Forged)?;
        let [version, head @ ..] = head;
        if *version != VERSION {
            return Err(Unopened::Version);
        }
        let (origin, nonce) = head.split_first_chunk::<ORIGIN>().ok_or(Unopened::Forged)?;
        if *origin == self.origin && matches!(kind, Kind::Session | Kind::Ending) {
            return Err(Unopened::Own);
        }
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| Unopened::Forged)?;
        let (bytes, tag) = rest.split_last_chunk::<TAG>().ok_or(Unopened::Forged)?;
        let mut body = Zeroizing::new(bytes.to_vec());
        let authenticated = authenticated(kind, origin, bound_to);
        let (place, mut new) = ((period, *origin), None);
        let cipher = match self.ciphers.get(&place) {
            Some(cipher) => cipher,
            None => new.insert(keys.cipher(origin)),
        };
        let (nonce, in_place) = (Nonce::from(nonce), body.as_mut_slice().into());
        let opened = cipher.decrypt_inout_detached(&nonce, &authenticated, in_place, tag.into());
        opened.map_err(|_| Unopened::Forged)?;
        // Only of a process that has the secret.
        if let Some(new) = new {
            if self.ciphers.len() >= MOST_CIPHERS {
                self.ciphers.clear();
            }
            self.ciphers.insert(place, new);
        }
        Ok(body)
    }

    /// Forgets the ciphers of periods before that one.
    pub(crate) fn forget_before(&mut self, oldest: u64) {
        self.ciphers.retain(|(period, _), _| *period >= oldest);
    }

    fn nonce(&mut self) -> Result<[u8; NONCE], getrandom::Error> {
        if self.used + NONCE > self.random.len() {
            getrandom::fill(&mut *self.random)?;
            self.used = 0;
        }
        let nonce = self.random[self.used..].first_chunk();
        self.used += NONCE;
        Ok(*nonce.expect("enough"))
    }
}

fn authenticated(kind: Kind, origin: &Origin, bound_to: &[u8]) -> Vec<u8> {
    [&[VERSION, kind as u8][..], origin, bound_to].concat()
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::sync::Arc;
    use std::time::Duration;

    use rekindle::tickets::TicketSecret;
    use sha2::Digest;

    use super::*;
    use crate::message::Message;
    use crate::schedule::Schedule;

    const KINDS: [Kind; 4] = [Kind::Session, Kind::Ending, Kind::Entry, Kind::Gone];

    fn message() -> Message {
        let until = Duration::from_secs(1);
        Message::Revocation { scope: None, until }
    }

    fn body() -> Vec<u8> {
        let mut body = Vec::new();
        message().write(&mut body);
        body
    }

    fn keys(seed: u8, period: u64) -> Arc<PeriodKeys> {
        let secret = <[u8; 32]>::from(sha2::Sha256::digest([seed]));
        let secret = TicketSecret::new(&secret, Duration::from_secs(3600), None).unwrap();
        let mut schedule = Schedule::new(secret, Duration::from_secs(7200)).unwrap();
        schedule.keys(period).unwrap()
    }

    #[test]
    fn only_what_it_was_sealed_for_opens_it() {
        let [mut ours, mut theirs] = [(); 2].map(|()| Sealer::new().unwrap());
        let (now, next, foreign) = (keys(1, 7), keys(1, 8), keys(2, 7));
        for kind in KINDS {
            let sealed = ours
                .seal((7, &now), kind, b"scope", iter::once(&message()))
                .unwrap();
            let mut opens = |(period, keys): (u64, &PeriodKeys), kind, bound_to: &[u8]| {
                theirs.open((period, keys), kind, bound_to, &sealed)
            };
            assert_eq!(
                **opens((7, &now), kind, b"scope").as_ref().unwrap(),
                &body()[..]
            );
            for other in KINDS {
                assert_eq!(opens((7, &now), other, b"scope").is_ok(), other == kind);
            }
            for bound_to in [&b""[..], b"scop", b"scope2", b"other"] {
                assert_eq!(opens((7, &now), kind, bound_to), Err(Unopened::Forged));
            }
            assert_eq!(opens((8, &next), kind, b"scope"), Err(Unopened::Forged));
        }
        let mut stranger = Sealer::new().unwrap();
        let sealed = stranger.seal((7, &foreign), Kind::Entry, b"", iter::once(&message()));
        let opened = theirs.open((7, &now), Kind::Entry, b"", &sealed.unwrap());
        assert_eq!(opened, Err(Unopened::Forged));
    }

    #[test]
    fn every_bit_counts_and_every_length() {
        let [mut ours, mut theirs] = [(); 2].map(|()| Sealer::new().unwrap());
        let keys = keys(1, 7);
        let sealed = ours
            .seal((7, &keys), Kind::Session, b"scope", iter::once(&message()))
            .unwrap();
        let mut open = |value: &[u8]| theirs.open((7, &keys), Kind::Session, b"scope", value);
        for bit in 0..8 * sealed.len() {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let expected = match bit / 8 {
                0 => Unopened::Version,
                _ => Unopened::Forged,
            };
            assert_eq!(open(&flipped), Err(expected), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert!(open(&sealed[..len]).is_err());
        }
        assert!(open(&[&sealed[..], &[0]].concat()).is_err());
        assert!(open(&sealed).is_ok());
    }

    #[test]
    fn what_was_sealed_here_is_passed_over_in_streams_alone() {
        let mut ours = Sealer::new().unwrap();
        let keys = keys(1, 7);
        for kind in KINDS {
            let sealed = ours
                .seal((7, &keys), kind, b"", iter::once(&message()))
                .unwrap();
            let opened = ours.open((7, &keys), kind, b"", &sealed);
            match kind {
                Kind::Session | Kind::Ending => assert_eq!(opened, Err(Unopened::Own)),
                Kind::Entry | Kind::Gone => assert_eq!(**opened.as_ref().unwrap(), &body()[..]),
            }
        }
    }

    #[test]
    fn no_nonce_comes_twice_and_ciphers_are_forgotten() {
        let mut ours = Sealer::new().unwrap();
        let keys = keys(1, 7);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let sealed = ours
                .seal((7, &keys), Kind::Entry, b"", iter::once(&message()))
                .unwrap();
            assert!(seen.insert(sealed[1 + ORIGIN..HEAD].to_vec()));
        }
        // Values of strangers are given no place.
        for stranger in 0..2000_u64 {
            let mut value = ours
                .seal((7, &keys), Kind::Entry, b"", iter::once(&message()))
                .unwrap();
            value[1..9].copy_from_slice(&stranger.to_be_bytes());
            assert!(ours.open((7, &keys), Kind::Entry, b"", &value).is_err());
        }
        assert_eq!(ours.ciphers.len(), 1);
        ours.forget_before(8);
        assert!(ours.ciphers.is_empty());
    }
}
