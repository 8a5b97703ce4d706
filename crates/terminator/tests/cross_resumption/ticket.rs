//! Tickets as a client keeps them, opened with the key that the server has.
//!
//! A ticket is `name[16] iv[16] ciphertext mac[32]`: AES-CBC, and HMAC-SHA256 over all before the
//! MAC. Inside is the session as OpenSSL encodes it.

use std::fs;

use openssl::base64::decode_block;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::symm::{Cipher, decrypt};
use rekindle_test_servers::Visitor;

use crate::keys::{Key, NAME};

const IV: usize = 16;
const MAC: usize = 32;

// Tags of DER.
const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const EXPLICIT: u8 = 0xa0;

// Fields of SSL_SESSION_ASN1 in OpenSSL's ssl/ssl_asn1.c.
const SESSION_ID_CONTEXT: u8 = 4;
const TICKET: u8 = 10;

#[derive(Debug)]
pub(crate) struct Ticket(Vec<u8>);

impl Ticket {
    /// The ticket in a client's session.
    pub(crate) fn of(client: &Visitor<'_>) -> Self {
        let pem = fs::read_to_string(client.session()).expect("s_client wrote a session");
        let lines = pem.lines().filter(|line| !line.starts_with("-----"));
        let session = decode_block(&lines.collect::<String>()).expect("base64");
        let ticket = octets_in_field(&session, TICKET).expect("the session has a ticket");
        assert!(ticket.len() > NAME + IV + MAC);
        Self(ticket)
    }

    pub(crate) fn key_name(&self) -> &[u8] {
        &self.0[..NAME]
    }

    pub(crate) fn has_mac_of(&self, key: &Key) -> bool {
        let (sealed, mac) = self.0.split_at(self.0.len() - MAC);
        let secret = PKey::hmac(&key.hmac).expect("OpenSSL works");
        let mut signer = Signer::new(MessageDigest::sha256(), &secret).expect("OpenSSL works");
        signer.sign_oneshot_to_vec(sealed).expect("OpenSSL works") == mac
    }

    /// The session id context of the session that is sealed in here with `key`.
    pub(crate) fn session_id_context(&self, key: &Key) -> Vec<u8> {
        let session = self.decrypt(key);
        octets_in_field(&session, SESSION_ID_CONTEXT).expect("the session has a context")
    }

    fn decrypt(&self, key: &Key) -> Vec<u8> {
        assert_eq!(self.key_name(), key.name, "the name of the key that seals");
        let cipher = match key.aes.len() {
            16 => Cipher::aes_128_cbc(),
            32 => Cipher::aes_256_cbc(),
            other => panic!("{other} bytes are no AES key"),
        };
        let (iv, rest) = self.0[NAME..].split_at(IV);
        let ciphertext = &rest[..rest.len() - MAC];
        decrypt(cipher, &key.aes, Some(iv), ciphertext).expect("the AES key that seals")
    }
}

/// The octet string in field `[number]` of a sequence, as OpenSSL encodes the optional fields of a
/// session.
fn octets_in_field(sequence: &[u8], number: u8) -> Option<Vec<u8>> {
    let (tag, fields, _) = element(sequence)?;
    assert_eq!(tag, SEQUENCE, "a session is a sequence");
    let mut rest = fields;
    while let Some((tag, content, behind)) = element(rest) {
        if tag == EXPLICIT | number {
            let (tag, octets, _) = element(content)?;
            return (tag == OCTET_STRING).then(|| octets.to_vec());
        }
        rest = behind;
    }
    None
}

/// Tag and content of the first element, and what is behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let length = length
            .iter()
            .fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        (length, rest)
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some((tag, content, behind))
}
