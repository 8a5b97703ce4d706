//! Sealing and opening tickets with the keys of a ring: AES-CBC and HMAC-SHA256.

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl_sys::{self as sys, EVP_CIPHER, EVP_CIPHER_CTX, EVP_MAC_CTX, SSL_SESSION};

use super::ffi;
use super::lifetime::{Lifetimes, Verdict};
use super::note::{self, Note, TicketNote};
use super::resumption::ResumedBy;
use super::ticket_stats::{self, Outcome, TicketCounters, TicketStats};
use crate::tickets::{Named, TicketCipher, TicketKey, TicketRing};

pub(super) struct Tickets {
    pub(super) ring: Arc<TicketRing>,
    pub(super) lifetimes: Lifetimes,
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
    /// `cipher` and `mac` are live contexts that nobody else uses.
    pub(super) unsafe fn seal(
        &self,
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
        // SAFETY: by contract; OpenSSL fills as many bytes as the vector has.
        let ready = unsafe {
            sys::RAND_bytes(iv.as_mut_ptr(), iv.len() as c_int) == 1
                && self.set_keys(key, iv, cipher, mac, Direction::Seal)
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
        name: &[u8; 16],
        iv: &[u8; 16],
        cipher: *mut EVP_CIPHER_CTX,
        mac: *mut EVP_MAC_CTX,
    ) -> (c_int, TicketNote) {
        let keys = self.ring.load();
        let (key, place) = match keys.opening(name, self.ring.now()) {
            Named::Key(key, place) => (key.key(), ticket_stats::number(place)),
            Named::Retired => {
                self.counters.count(Outcome::RetiredKey);
                return (0, TicketNote::NoKey);
            }
            Named::Unknown => {
                self.counters.count(Outcome::UnknownKey);
                return (0, TicketNote::NoKey);
            }
        };
        // SAFETY: as in `seal`.
        if !unsafe { self.set_keys(key, iv, cipher, mac, Direction::Open) } {
            // An error would end the handshake; a full one may still succeed.
            return (0, TicketNote::NoKey);
        }
        let renew = ticket_stats::is_previous(place);
        (if renew { 2 } else { 1 }, TicketNote::Key(place))
    }

    /// What to do with a ticket that OpenSSL has tried to open, `session` being what was in it if it could.
    /// Of a TLS 1.3 ticket the client is to get a new one in any case: they are for one use.
    ///
    /// # Safety
    ///
    /// `session` is null, or alive and this call's alone.
    pub(super) unsafe fn opened(
        &self,
        status: c_int,
        session: *mut SSL_SESSION,
        mut note: Note,
        tls13: bool,
    ) -> (c_int, Note) {
        let key = std::mem::take(&mut note.ticket);
        let opens = [ffi::SSL_TICKET_SUCCESS, ffi::SSL_TICKET_SUCCESS_RENEW];
        let TicketNote::Key(place) = key else {
            if status == ffi::SSL_TICKET_NO_DECRYPT && key == TicketNote::None {
                self.counters.count(Outcome::Malformed);
            }
            return (ffi::SSL_TICKET_RETURN_IGNORE_RENEW, note);
        };
        if session.is_null() || !opens.contains(&status) {
            self.counters.count(Outcome::BadMac);
            return (ffi::SSL_TICKET_RETURN_IGNORE_RENEW, note);
        }
        // SAFETY: by contract.
        let (age, time_left) = match unsafe { self.lifetimes.judge(session, &self.ring) } {
            Verdict::Alive { age, renew } => (age, renew),
            Verdict::Expired => {
                self.counters.count(Outcome::Expired);
                return (ffi::SSL_TICKET_RETURN_IGNORE_RENEW, note);
            }
            Verdict::LineageEnded => {
                self.counters.count(Outcome::LineageEnded);
                return (ffi::SSL_TICKET_RETURN_IGNORE_RENEW, note);
            }
        };
        self.counters.opened(place, age);
        let is_previous = ticket_stats::is_previous(place);
        note.found = Some(if is_previous {
            ResumedBy::RenewedTicket
        } else {
            ResumedBy::Ticket
        });
        // SAFETY: by contract.
        note.ticket = TicketNote::Opened(note::hash(unsafe { ffi::id_context(session) }));
        let renew = if tls13 { time_left } else { is_previous };
        let result = if renew {
            ffi::SSL_TICKET_RETURN_USE_RENEW
        } else {
            ffi::SSL_TICKET_RETURN_USE
        };
        (result, note)
    }

    /// A full handshake is about to end in a new session although a ticket was opened: why it was not used.
    pub(super) fn not_used(&self, id_context_of_ticket: usize, id_context: &[u8]) {
        self.counters
            .count(if id_context_of_ticket == note::hash(id_context) {
                Outcome::Unusable
            } else {
                Outcome::ContextDiffers
            });
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

/// Sets key and digest of OpenSSL's own HMAC context, which it has fetched itself. The digest goes
/// by its name: there is no way to hand a fetched one in.
///
/// # Safety
///
/// `mac` is a live context that nobody else uses.
unsafe fn set_mac_key(mac: *mut EVP_MAC_CTX, key: &TicketKey) -> bool {
    let secret = key.hmac_secret();
    let digest = c"SHA256";
    // SAFETY: OpenSSL reads key and digest, through pointers that are mutable only because the same
    // structure serves for getting parameters, and copies both.
    unsafe {
        let params = [
            sys::OSSL_PARAM_construct_octet_string(
                c"key".as_ptr(),
                secret.as_ptr().cast_mut().cast(),
                secret.len(),
            ),
            ffi::OSSL_PARAM_construct_utf8_string(
                c"digest".as_ptr(),
                digest.as_ptr().cast_mut(),
                digest.count_bytes(),
            ),
            sys::OSSL_PARAM_construct_end(),
        ];
        sys::EVP_MAC_CTX_set_params(mac, params.as_ptr()) == 1
    }
}
