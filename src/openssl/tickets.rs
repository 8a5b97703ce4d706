//! Sealing and opening tickets with the keys of a ring: AES-CBC and HMAC-SHA256.

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl_sys::{self as sys, EVP_CIPHER, EVP_CIPHER_CTX, EVP_MAC_CTX};

use super::ffi;
use super::resumption::ResumedBy;
use crate::engine::thread_number;
use crate::stats::Sharded;
use crate::tickets::{Named, Place, TicketCipher, TicketKey, TicketRing};

/// What has become of tickets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TicketStats {
    /// Tickets sealed. TLS 1.3 seals two for each full handshake and one for each resumption.
    pub sealed: u64,
    /// Tickets that named the first key of the ring. Names are public, and counted before OpenSSL
    /// has checked the MAC: forged and damaged tickets count as well, though they open nothing.
    pub opened: u64,
    /// Tickets that named another key of the ring, with the same reserve; the client of one that
    /// opens gets a new ticket.
    pub renewed: u64,
    /// Tickets that named no key of the ring; the client got a full handshake.
    pub unknown_key: u64,
}

#[derive(Clone, Copy)]
enum Counter {
    Sealed,
    Opened,
    Renewed,
    UnknownKey,
}

pub(super) struct Tickets {
    pub(super) ring: Arc<TicketRing>,
    counters: Sharded<{ Counter::UnknownKey as usize + 1 }>,
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
    pub(super) fn new(ring: Arc<TicketRing>) -> Result<Self, ErrorStack> {
        Ok(Self {
            ring,
            counters: Sharded::new(),
            aes128: Cipher::fetch(c"AES-128-CBC")?,
            aes256: Cipher::fetch(c"AES-256-CBC")?,
        })
    }

    pub(super) fn stats(&self) -> TicketStats {
        let sum = |counter: Counter| self.counters.sum(counter as usize);
        TicketStats {
            sealed: sum(Counter::Sealed),
            opened: sum(Counter::Opened),
            renewed: sum(Counter::Renewed),
            unknown_key: sum(Counter::UnknownKey),
        }
    }

    /// Prepares to seal a ticket with the ring's first key. 1, or -1 when OpenSSL fails.
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
        let now = self.ring.now();
        let keys = self.ring.load_to_seal(now);
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
        self.count(Counter::Sealed);
        1
    }

    /// Prepares to open a ticket with the key of that name. In OpenSSL's terms: 1 for the first
    /// key, 2 for another (renew the ticket), 0 for none (full handshake). TLS 1.3 tickets are for
    /// one use, so there it is always 2.
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
        tls13: bool,
    ) -> (c_int, Option<ResumedBy>) {
        let keys = self.ring.load();
        let Named::Key(key, place) = keys.opening(name, self.ring.now()) else {
            self.count(Counter::UnknownKey);
            return (0, None);
        };
        let key = key.key();
        // SAFETY: as in `seal`.
        let ready = unsafe { self.set_keys(key, iv, cipher, mac, Direction::Open) };
        if !ready {
            // An error would end the handshake; a full one may still succeed.
            return (0, None);
        }
        let (counter, how) = match place {
            Place::Previous(_) => (Counter::Renewed, ResumedBy::RenewedTicket),
            Place::Sealing | Place::Next => (Counter::Opened, ResumedBy::Ticket),
        };
        self.count(counter);
        let renew = matches!(place, Place::Previous(_)) || tls13;
        (if renew { 2 } else { 1 }, Some(how))
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

    fn count(&self, counter: Counter) {
        self.counters.add(thread_number(), counter as usize, 1);
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
