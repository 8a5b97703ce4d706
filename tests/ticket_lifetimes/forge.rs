//! Sessions as no client of OpenSSL's would show them.

use std::ffi::c_uchar;

use foreign_types_shared::ForeignTypeRef;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::ssl::{SslSession, SslSessionRef};
use openssl::symm::{Cipher, decrypt, encrypt};
use openssl_sys::SSL_SESSION;

use crate::der::session_with_ticket;
use crate::records::record;

unsafe extern "C" {
    fn SSL_SESSION_get0_ticket(
        session: *const SSL_SESSION,
        ticket: *mut *const c_uchar,
        len: *mut usize,
    );
}

/// The same session with another ticket.
pub(crate) fn forge(session: &SslSessionRef, change: impl FnOnce(&mut Vec<u8>)) -> SslSession {
    let (mut ticket, mut len) = (std::ptr::null(), 0);
    // SAFETY: a live session, which keeps its ticket.
    let ticket = unsafe {
        SSL_SESSION_get0_ticket(session.as_ptr(), &mut ticket, &mut len);
        std::slice::from_raw_parts(ticket, len)
    };
    let mut ticket = ticket.to_vec();
    change(&mut ticket);
    let der = session_with_ticket(&session.to_der().unwrap(), &ticket);
    SslSession::from_der(&der).unwrap()
}

/// The same session, but that in its ticket, which the key of that number seals, is older.
pub(crate) fn older_by(seconds: u32, session: &SslSessionRef, key: u8) -> SslSession {
    let record = record(key);
    let (mac_secret, aes_key) = record[16..].split_at(16);
    let cipher = Cipher::aes_128_cbc();
    forge(session, |ticket| {
        let (sealed, mac) = ticket.split_last_chunk_mut::<32>().unwrap();
        let (head, encrypted) = sealed.split_at_mut(32);
        let mut der = decrypt(cipher, aes_key, Some(&head[16..]), encrypted).unwrap();
        // `time [1] EXPLICIT INTEGER` of OpenSSL's encoding.
        let at = 4 + der.windows(4).position(|w| w == [0xa1, 6, 2, 4]).unwrap();
        let time = u32::from_be_bytes(*der[at..].first_chunk().unwrap()) - seconds;
        der[at..at + 4].copy_from_slice(&time.to_be_bytes());
        encrypted.copy_from_slice(&encrypt(cipher, aes_key, Some(&head[16..]), &der).unwrap());
        let secret = PKey::hmac(mac_secret).unwrap();
        let mut signer = Signer::new(MessageDigest::sha256(), &secret).unwrap();
        mac.copy_from_slice(&signer.sign_oneshot_to_vec(sealed).unwrap());
    })
}
