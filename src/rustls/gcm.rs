//! AES-256-GCM: the provider's, so that tickets are sealed by the same code as records.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use rustls::crypto::CryptoProvider;
use rustls::crypto::cipher::{AeadKey, Iv};
use rustls::quic::{self, PacketKey};
use rustls::{CipherSuite, SupportedCipherSuite};

use crate::tickets::{self, Gcm};

const TAG: usize = tickets::AeadKey::TAG;

/// Where AES-256-GCM comes from. All make the same bytes.
#[derive(Clone, Copy)]
pub(super) enum GcmSource {
    /// The cipher of a provider's QUIC packets: the only one of its AEADs that takes any
    /// associated data. With a path's number it takes any nonce as well.
    Provider(&'static dyn quic::Algorithm),
    /// For a provider without those.
    Own,
}

impl GcmSource {
    pub(super) fn of(provider: Option<&CryptoProvider>) -> Self {
        let suites = provider.map_or(&[][..], |provider| &provider.cipher_suites);
        let quic = suites.iter().find_map(|suite| match suite {
            SupportedCipherSuite::Tls13(tls13)
                if suite.suite() == CipherSuite::TLS13_AES_256_GCM_SHA384 =>
            {
                tls13.quic
            }
            _ => None,
        });
        let takes_paths = |quic: &&'static dyn quic::Algorithm| {
            let key = packet_key(*quic, &[0; 32]);
            key.encrypt_in_place_for_path(1, 0, &[], &mut []).is_ok()
        };
        quic.filter(takes_paths).map_or(Self::Own, Self::Provider)
    }

    pub(super) fn set_up(self, key: &[u8; 32]) -> Box<dyn Gcm> {
        match self {
            Self::Provider(quic) => Box::new(packet_key(quic, key)),
            Self::Own => Box::new(Aes256Gcm::new(key.into())),
        }
    }
}

fn packet_key(quic: &dyn quic::Algorithm, key: &[u8; 32]) -> Box<dyn PacketKey> {
    quic.packet_key(AeadKey::from(*key), Iv::from([0; 12]))
}

/// The nonce of a packet is its initial one, here zero, with path and number added.
fn path_and_number(nonce: &[u8; 12]) -> (u32, u64) {
    let [a, b, c, d, number @ ..] = *nonce;
    (u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes(number))
}

impl Gcm for Box<dyn PacketKey> {
    fn seal(&self, nonce: &[u8; 12], authenticated: &[u8], bytes: &mut [u8]) -> Option<[u8; TAG]> {
        let (path, number) = path_and_number(nonce);
        let tag = self.encrypt_in_place_for_path(path, number, authenticated, bytes);
        tag.ok()?.as_ref().try_into().ok()
    }

    fn open<'a>(
        &self,
        nonce: &[u8; 12],
        authenticated: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let (path, number) = path_and_number(nonce);
        let opened = self.decrypt_in_place_for_path(path, number, authenticated, sealed);
        opened.ok()
    }
}

impl Gcm for Aes256Gcm {
    fn seal(&self, nonce: &[u8; 12], authenticated: &[u8], bytes: &mut [u8]) -> Option<[u8; TAG]> {
        let nonce = Nonce::from(*nonce);
        let tag = self.encrypt_inout_detached(&nonce, authenticated, bytes.into());
        tag.ok().map(Into::into)
    }

    fn open<'a>(
        &self,
        nonce: &[u8; 12],
        authenticated: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let (bytes, tag) = sealed.split_last_chunk_mut::<TAG>()?;
        let (nonce, tag) = (Nonce::from(*nonce), (&*tag).into());
        let in_place = (&mut *bytes).into();
        let opened = self.decrypt_inout_detached(&nonce, authenticated, in_place, tag);
        opened.ok().map(|()| &*bytes)
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring;

    use super::*;
    use crate::tickets;

    /// The two vectors of XAES's specification, sealed by each and opened by the other.
    #[test]
    fn what_the_specification_shows() {
        let provider = GcmSource::of(Some(&ring::default_provider()));
        assert!(matches!(provider, GcmSource::Provider(_)));
        let nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";
        for (key, authenticated, expected) in [
            (
                1,
                &b""[..],
                "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
            ),
            (
                3,
                b"c2sp.org/XAES-256-GCM",
                "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
            ),
        ] {
            for (seals, opens) in [(provider, GcmSource::Own), (GcmSource::Own, provider)] {
                let [seals, opens] = [seals, opens].map(|source| {
                    tickets::AeadKey::new(&[key; 32]).at(nonce, |key| source.set_up(key))
                });
                let mut sealed = b"XAES-256-GCM".to_vec();
                let tag = seals.seal(authenticated, &mut sealed);
                sealed.extend_from_slice(&tag.unwrap());
                let digits: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(digits, expected);
                let mut altered = sealed.clone();
                altered[0] ^= 1;
                assert!(opens.open(authenticated, &mut altered).is_none());
                let opened = opens.open(authenticated, &mut sealed);
                assert_eq!(opened.unwrap(), b"XAES-256-GCM");
            }
        }
    }

    #[test]
    fn a_provider_without_the_cipher_leaves_it_to_us() {
        let mut provider = ring::default_provider();
        let other =
            |suite: &SupportedCipherSuite| suite.suite() != CipherSuite::TLS13_AES_256_GCM_SHA384;
        provider.cipher_suites.retain(other);
        assert!(matches!(GcmSource::of(Some(&provider)), GcmSource::Own));
        assert!(matches!(GcmSource::of(None), GcmSource::Own));
    }
}
