//! Sessions as no client of OpenSSL's would show them.

use std::ffi::c_uchar;

use foreign_types_shared::ForeignTypeRef;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::ssl::{SslSession, SslSessionRef};
use openssl::symm::{Cipher, decrypt, encrypt};
use openssl_sys::SSL_SESSION;

use crate::records::record;

unsafe extern "C" {
    fn SSL_SESSION_get0_ticket(
        session: *const SSL_SESSION,
        ticket: *mut *const c_uchar,
        len: *mut usize,
    );
}

/// The same session with another ticket in the same place.
pub(crate) fn forge(
    session: &SslSessionRef,
    key: u8,
    change: impl FnOnce(&mut [u8]),
) -> SslSession {
    let mut der = session.to_der().unwrap();
    let begins = der.windows(16).position(|w| w == [key; 16]).unwrap();
    change(&mut der[begins..]);
    SslSession::from_der(&der).unwrap()
}

/// The same session, but that in its ticket, which the key of that number seals, is older.
pub(crate) fn older_by(seconds: u32, session: &SslSessionRef, key: u8) -> SslSession {
    let mut len = 0;
    // SAFETY: a live session; no pointer to the ticket is asked for.
    unsafe { SSL_SESSION_get0_ticket(session.as_ptr(), std::ptr::null_mut(), &mut len) };
    let record = record(key);
    let (mac_secret, aes_key) = record[16..].split_at(16);
    let cipher = Cipher::aes_128_cbc();
    forge(session, key, |ticket| {
        let (sealed, mac) = ticket[..len].split_at_mut(len - 32);
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

/// The session with such a ticket: `ticket [10] EXPLICIT OCTET STRING` of OpenSSL's encoding.
pub(crate) fn with_ticket(session: &SslSessionRef, key: u8, ticket: &[u8]) -> SslSession {
    let der = session.to_der().unwrap();
    let begins = der.windows(16).position(|w| w == [key; 16]).unwrap();
    // The lengths are of two forms: one byte, or 0x81 or 0x82 and one or two bytes.
    let head = (2..12)
        .find(|back| der[begins - back] == 0xaa)
        .expect("its tag");
    let (start, tail) = (begins - head, tlv_end(&der, begins - head));
    let len = ticket.len() as u8;
    let mut field = vec![0xaa, len + 2, 0x04, len];
    field.extend_from_slice(ticket);
    let body_at = der.len() - tlv_len(&der);
    let body = [&der[body_at..start], &field, &der[tail..]].concat();
    let mut whole = vec![0x30, 0x82];
    whole.extend_from_slice(&(body.len() as u16).to_be_bytes());
    whole.extend_from_slice(&body);
    if body.len() < 256 {
        whole.splice(1..4, [0x81, body.len() as u8]);
    }
    SslSession::from_der(&whole).unwrap()
}

/// The length of what a DER value at the beginning of `der` holds.
fn tlv_len(der: &[u8]) -> usize {
    match der[1] {
        0x81 => der[2].into(),
        0x82 => usize::from(der[2]) << 8 | usize::from(der[3]),
        short => short.into(),
    }
}

fn tlv_end(der: &[u8], at: usize) -> usize {
    let head = match der[at + 1] {
        0x81 => 3,
        0x82 => 4,
        _ => 2,
    };
    at + head + tlv_len(&der[at..])
}
