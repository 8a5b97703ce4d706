//! Sealing and opening tickets with the keys of a ring: AES-CBC and HMAC-SHA256.

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl_sys::{
    self as sys, EVP_CIPHER, EVP_CIPHER_CTX, EVP_MAC_CTX, SSL, SSL_CTX, SSL_SESSION,
};

use super::ffi;
use super::handshake_state::{self as note, Note, TicketState};
use super::resumption::ResumedBy;
use super::session_times::{Beginning, Lifetimes, Verdict, age_by_day};
use crate::resume::iv_timestamp::Marks;
use crate::resume::ticket_stats::{self, Outcome, TicketCounters, TicketStats};
use crate::tickets::{KeyLookup, TicketCipher, TicketKey, TicketRing};

pub(super) struct Tickets {
    pub(super) ring: Arc<TicketRing>,
    pub(super) lifetimes: Lifetimes,
    marks: Marks,
    counters: TicketCounters,
    /// Fetched once: looking an algorithm up takes locks.
    aes128: Cipher,
    aes256: Cipher,
}

struct Cipher(*mut EVP_CIPHER);

/// As `EVP_CipherInit_ex` numbers it.
#[derive(Clone, Copy)]
enum Direction {
    Open = 0,
    Seal = 1,
}

// SAFETY: an EVP_CIPHER is immutable and counts its references atomically.
unsafe impl Send for Cipher {}
// SAFETY: as above.
unsafe impl Sync for Cipher {}

impl Cipher {
    fn fetch(name: &CStr) -> Result<Self, ErrorStack> {
        // SAFETY: a name that ends in zero, and the default library context.
        let cipher = unsafe { sys::EVP_CIPHER_fetch(ptr::null_mut(), name.as_ptr(), ptr::null()) };
        if cipher.is_null() {
            return Err(ErrorStack::get());
        }
        Ok(Self(cipher))
    }
}

impl Drop for Cipher {
    fn drop(&mut self) {
        // SAFETY: fetched in `fetch`, freed nowhere else.
        unsafe { sys::EVP_CIPHER_free(self.0) };
    }
}

impl Tickets {
    pub(super) fn new(ring: Arc<TicketRing>, lifetimes: Lifetimes) -> Result<Self, ErrorStack> {
        Ok(Self {
            ring,
            lifetimes,
            marks: Marks::new(),
            counters: TicketCounters::new(),
            aes128: Cipher::fetch(c"AES-128-CBC")?,
            aes256: Cipher::fetch(c"AES-256-CBC")?,
        })
    }

    pub(super) fn stats(&self) -> TicketStats {
        self.counters.sum()
    }

    /// Prepares to seal a ticket with the key whose turn it is. 1, or -1 when OpenSSL fails.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection; `cipher` and `mac` are live contexts that nobody else uses.
    pub(super) unsafe fn seal(
        &self,
        ssl: *mut SSL,
        name: &mut [u8; 16],
        iv: &mut [u8; 16],
        cipher: *mut EVP_CIPHER_CTX,
        mac: *mut EVP_MAC_CTX,
    ) -> c_int {
        let (keys, now) = self.ring.load_to_seal();
        let Some(key) = keys.sealing(now) else {
            return -1;
        };
        let key = key.key();
        *name = *key.name();
        // SAFETY: by contract; OpenSSL fills no more bytes than the vector has.
        let ready = unsafe {
            let random = sys::RAND_bytes(iv.as_mut_ptr(), Marks::RANDOM as c_int) == 1;
            self.marks.put(self.born(ssl, now.as_millis()), iv);
            random && self.set_keys(key, iv, cipher, mac, Direction::Seal)
        };
        if !ready {
            return -1;
        }
        self.counters.count(Outcome::Sealed);
        1
    }

    /// Prepares to open a ticket with the key of that name. In OpenSSL's terms: 1 for a key that seals or
    /// will, 2 for one that has ceased to (renew the ticket), 0 for none (full handshake).
    ///
    /// # Safety
    ///
    /// As [`seal`](Self::seal).
    pub(super) unsafe fn open(
        &self,
        ssl: *mut SSL,
        name: &[u8; 16],
        iv: &[u8; 16],
        cipher: *mut EVP_CIPHER_CTX,
        mac: *mut EVP_MAC_CTX,
    ) -> c_int {
        // SAFETY: by contract.
        if let TicketState::Opened(_) = unsafe { note::read(ssl) }.ticket {
            // The one before, of several or in the client's first try, was of no use.
            self.counters.count(Outcome::Unusable);
        }
        let keys = self.ring.load();
        let now = self.ring.now();
        let missing = |outcome: Option<Outcome>| {
            outcome.inspect(|outcome| self.counters.count(*outcome));
            // SAFETY: by contract.
            unsafe { note::write(ssl, TicketState::NoKey.into()) };
            0
        };
        let (key, place) = match keys.opening(name, now) {
            KeyLookup::Key(key, place) => (key.key(), ticket_stats::number(place)),
            KeyLookup::Retired => return missing(Some(Outcome::RetiredKey)),
            KeyLookup::Unknown => return missing(Some(Outcome::UnknownKey)),
        };
        // SAFETY: as in `seal`.
        if !unsafe { self.set_keys(key, iv, cipher, mac, Direction::Open) } {
            // An error would end the handshake; a full one may still succeed.
            return missing(None);
        }
        let now = now.as_millis();
        let note = match self.marks.age(iv, now) {
            Some(age) => {
                // SAFETY: by contract.
                unsafe { note::write_since(ssl, now.wrapping_sub(age)) };
                TicketState::Own(place)
            }
            None => TicketState::Foreign(place),
        };
        // SAFETY: by contract.
        unsafe { note::write(ssl, note.into()) };
        if ticket_stats::is_previous(place) {
            2
        } else {
            1
        }
    }

    /// What to do with a ticket that OpenSSL has tried to open, `session` being what was in it if it could.
    /// Of a TLS 1.3 ticket the client is to get a new one in any case: they are for one use.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection; `session` is null, or alive and this call's alone.
    pub(super) unsafe fn tried(
        &self,
        ssl: *mut SSL,
        status: c_int,
        session: *mut SSL_SESSION,
    ) -> c_int {
        let refuse = |outcome: Option<Outcome>| {
            outcome.inspect(|outcome| self.counters.count(*outcome));
            // SAFETY: by contract.
            unsafe { note::write(ssl, Note::default()) };
            ffi::SSL_TICKET_RETURN_IGNORE_RENEW
        };
        let now = self.ring.now().as_millis();
        // SAFETY: by contract.
        let (place, known) = match unsafe { note::read(ssl) }.ticket {
            // SAFETY: by contract.
            TicketState::Own(place) => (place, Some(unsafe { note::since(ssl, now) })),
            TicketState::Foreign(place) => (place, None),
            TicketState::NoKey => return refuse(None),
            _ if status == ffi::SSL_TICKET_NO_DECRYPT => return refuse(Some(Outcome::Malformed)),
            _ => return refuse(None),
        };
        let opens = [ffi::SSL_TICKET_SUCCESS, ffi::SSL_TICKET_SUCCESS_RENEW];
        if session.is_null() || !opens.contains(&status) {
            return refuse(Some(Outcome::BadMac));
        }
        // SAFETY: by contract.
        match unsafe { self.lifetimes.judge(session, &self.ring, known) } {
            Verdict::Expired => refuse(Some(Outcome::Expired)),
            Verdict::LineageEnded => refuse(Some(Outcome::LineageEnded)),
            Verdict::Alive {
                age,
                lineage,
                renew,
            } => {
                self.counters.opened(place, age);
                let lineage = lineage.as_millis() as u64;
                // SAFETY: by contract.
                unsafe {
                    if !fits_suite(ssl, session) {
                        // OpenSSL would leave it, tell nobody, and give the client no other.
                        return refuse(Some(Outcome::Unusable));
                    }
                    // Of a ticket that is the first of its lineage, this is noted already.
                    if known != Some(lineage) {
                        note::write_since(ssl, now.wrapping_sub(lineage));
                    }
                    self.take(ssl, session, place, renew)
                }
            }
        }
    }

    /// # Safety
    ///
    /// As [`tried`](Self::tried).
    unsafe fn take(
        &self,
        ssl: *mut SSL,
        session: *mut SSL_SESSION,
        place: usize,
        time_left: bool,
    ) -> c_int {
        let is_previous = ticket_stats::is_previous(place);
        let found = if is_previous {
            ResumedBy::RenewedTicket
        } else {
            ResumedBy::Ticket
        };
        // SAFETY: by contract.
        let tls13 = unsafe {
            let ticket = TicketState::Opened(note::hash(ffi::id_context(session)));
            let found = Some(found);
            note::write(ssl, Note { found, ticket });
            is_tls13(ssl)
        };
        let renew = if tls13 { time_left } else { is_previous };
        if renew {
            ffi::SSL_TICKET_RETURN_USE_RENEW
        } else {
            ffi::SSL_TICKET_RETURN_USE
        }
    }

    /// A session is about to become a ticket, or the session behind one that is but an id.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection, `context` the one that it was made from, and `session` its session.
    pub(super) unsafe fn begins(
        &self,
        ssl: *mut SSL,
        context: *const SSL_CTX,
        session: *mut SSL_SESSION,
        stateful: bool,
    ) {
        let now = self.ring.now().as_millis();
        // SAFETY: by contract.
        unsafe {
            let note = note::read(ssl);
            let (reused, tls13) = (sys::SSL_session_reused(ssl) == 1, is_tls13(ssl));
            let of_cache = matches!(
                note.found,
                Some(ResumedBy::SessionId | ResumedBy::StatefulTicket)
            );
            if reused && of_cache && !tls13 {
                // The session in the cache itself: others look at it. Its lifetime goes on.
                return;
            }
            let lineage = match note.ticket {
                TicketState::Opened(_) if reused => Some(note::since(ssl, now)),
                TicketState::Full => Some(note::since(ssl, now)),
                _ if reused => None,
                ticket => {
                    if let TicketState::Opened(id_context) = ticket {
                        self.not_used(id_context, ffi::id_context(session));
                    }
                    note::write(ssl, TicketState::Full.into());
                    note::write_since(ssl, now);
                    Some(0)
                }
            };
            let beginning = Beginning {
                lineage,
                goes_on: reused && !tls13,
                renews: reused && tls13,
                stateful,
            };
            self.lifetimes
                .limit(ssl, context, session, &self.ring, beginning);
        }
    }

    /// A full handshake is about to end in a new session although a ticket was opened: why it was not used.
    fn not_used(&self, id_context_of_ticket: usize, id_context: &[u8]) {
        self.counters
            .count(if id_context_of_ticket == note::hash(id_context) {
                Outcome::Unusable
            } else {
                Outcome::ContextDiffers
            });
    }

    /// When the session that a ticket is sealed for was born, by the ring's clock: now, but in TLS 1.2 a
    /// life goes on with a renewed ticket.
    ///
    /// # Safety
    ///
    /// `ssl` is a live connection.
    unsafe fn born(&self, ssl: *mut SSL, now: u64) -> u64 {
        // SAFETY: by contract.
        unsafe {
            if is_tls13(ssl) || sys::SSL_session_reused(ssl) != 1 {
                return now;
            }
            let age = match note::read(ssl).ticket {
                TicketState::Opened(_) => note::since(ssl, now),
                // A session of the cache.
                _ => {
                    let session = sys::SSL_get_session(ssl);
                    age_by_day(&self.ring, sys::SSL_SESSION_get_time(session) as i64)
                }
            };
            now.wrapping_sub(age)
        }
    }

    /// Gives OpenSSL's contexts the keys that a ticket is sealed or opened with.
    ///
    /// # Safety
    ///
    /// As [`seal`](Self::seal).
    unsafe fn set_keys(
        &self,
        key: &TicketKey,
        iv: &[u8; 16],
        cipher: *mut EVP_CIPHER_CTX,
        mac: *mut EVP_MAC_CTX,
        direction: Direction,
    ) -> bool {
        let algorithm = match key.cipher() {
            TicketCipher::Aes128 => &self.aes128,
            TicketCipher::Aes256 => &self.aes256,
        };
        // SAFETY: by contract; key and vector are as long as the cipher takes them.
        unsafe {
            sys::EVP_CipherInit_ex(
                cipher,
                algorithm.0,
                ptr::null_mut(),
                key.aes_key().as_ptr(),
                iv.as_ptr(),
                direction as c_int,
            ) == 1
                && set_mac_key(mac, key)
        }
    }
}

/// # Safety
///
/// `ssl` is a live connection.
unsafe fn is_tls13(ssl: *mut SSL) -> bool {
    // SAFETY: by contract.
    unsafe { sys::SSL_version(ssl) == sys::TLS1_3_VERSION }
}

/// Whether a session can go on with the cipher suite of the handshake at hand: in TLS 1.3 with those of its
/// own suite's hash (RFC 8446, 4.2.11). OpenSSL chooses the suite before it opens tickets there; in TLS 1.2
/// it takes the session's.
///
/// # Safety
///
/// `ssl` is a live connection, `session` is alive.
unsafe fn fits_suite(ssl: *const SSL, session: *const SSL_SESSION) -> bool {
    // SAFETY: by contract; suites and digests are OpenSSL's own and for ever.
    unsafe {
        let (pending, own) = (
            ffi::SSL_get_pending_cipher(ssl),
            ffi::SSL_SESSION_get0_cipher(session),
        );
        if sys::SSL_version(ssl) != sys::TLS1_3_VERSION || pending == own {
            return true;
        }
        if pending.is_null() || own.is_null() {
            return true;
        }
        let hash = |suite| sys::EVP_MD_get_type(sys::SSL_CIPHER_get_handshake_digest(suite));
        hash(pending) == hash(own)
    }
}

/// Sets key and digest of OpenSSL's own HMAC context, which it has fetched itself. The digest goes
/// by its name: there is no way to hand a fetched one in. (The key could be a parameter as well, but
/// looking parameters up costs more than all the rest of this.)
///
/// # Safety
///
/// `mac` is a live context that nobody else uses.
unsafe fn set_mac_key(mac: *mut EVP_MAC_CTX, key: &TicketKey) -> bool {
    let secret = key.hmac_secret();
    let digest = c"SHA256";
    // SAFETY: OpenSSL reads key and digest, the latter through a pointer that is mutable only because the
    // same structure serves for getting parameters, and copies both.
    unsafe {
        let params = [
            ffi::OSSL_PARAM_construct_utf8_string(
                c"digest".as_ptr(),
                digest.as_ptr().cast_mut(),
                digest.count_bytes(),
            ),
            sys::OSSL_PARAM_construct_end(),
        ];
        ffi::EVP_MAC_init(mac, secret.as_ptr(), secret.len(), params.as_ptr()) == 1
    }
}
