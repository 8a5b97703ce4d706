//! Sessions as no client of OpenSSL's would show them.

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::ssl::{SslSession, SslSessionRef};
use openssl::symm::{Cipher, decrypt, encrypt};

use crate::der::{session_with_ticket, ticket_of};
use crate::records::record;

/// The same session with another ticket.
pub(crate) fn forge(session: &SslSessionRef, change: impl FnOnce(&mut Vec<u8>)) -> SslSession {
    let der = session.to_der().unwrap();
    let mut ticket = ticket_of(&der);
    change(&mut ticket);
    SslSession::from_der(&session_with_ticket(&der, &ticket)).unwrap()
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
