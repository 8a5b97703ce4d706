//! What a client asks for, while OpenSSL reads its ClientHello.

use std::ffi::c_uint;

use foreign_types_shared::ForeignTypeRef;
use openssl::ssl::SslRef;
use openssl_sys::{self as sys, SSL};

use super::connection::{is_quic, options};
use super::ffi;
use crate::SessionId;

/// The server name that the client asks for, in a ClientHello callback
/// ([`set_client_hello_callback`]): there a program chooses a certificate's context
/// ([`SslRef::set_ssl_context`]) before OpenSSL looks the session up. `None` without a name, for a
/// malformed extension, and at any other time. The bytes are the client's: not checked to be a
/// name, and in upper or lower case.
///
/// [`set_client_hello_callback`]: openssl::ssl::SslContextBuilder::set_client_hello_callback
pub fn client_hello_server_name(ssl: &SslRef) -> Option<&[u8]> {
    // SAFETY: the connection is alive. OpenSSL drops the ClientHello when the handshake goes on,
    // which takes the connection for itself.
    let names = unsafe { extension(ssl.as_ptr(), ffi::TLSEXT_TYPE_SERVER_NAME) };
    names.and_then(host_name)
}

/// The session that OpenSSL is about to look up in the cache for this client, in a ClientHello
/// callback: by session id in TLS 1.2, by a stateful ticket in TLS 1.3, the first one if the client
/// shows several. A program can fetch it from elsewhere before the handshake goes on
/// (`SSL_CLIENT_HELLO_RETRY`). `None` for a client that names none or shows a ticket that carries
/// its session, and at any other time. The bytes are the client's.
pub fn client_hello_session(ssl: &SslRef) -> Option<SessionId> {
    let raw = ssl.as_ptr();
    // SAFETY: the connection is alive, and its ClientHello stays until the handshake goes on.
    unsafe {
        let options = options(raw);
        let takes_tickets = options & sys::SSL_OP_NO_TICKET == 0;
        let versions = extension(raw, ffi::TLSEXT_TYPE_SUPPORTED_VERSIONS);
        if versions.is_some_and(offers_tls13) && speaks_tls13(raw, options) {
            if takes_tickets {
                return None;
            }
            return first_identity(extension(raw, ffi::TLSEXT_TYPE_PSK)?);
        }
        let shows_ticket = extension(raw, ffi::TLSEXT_TYPE_SESSION_TICKET)
            .is_some_and(|ticket| !ticket.is_empty());
        if shows_ticket && takes_tickets {
            return None;
        }
        let mut start = std::ptr::null();
        let len = ffi::SSL_client_hello_get0_session_id(raw, &mut start);
        SessionId::new(ffi::bytes(start, len)).ok()
    }
}

/// Whether a server speaks TLS 1.3 with a client that does, by its options and its newest version.
///
/// # Safety
///
/// `ssl` is a live connection.
unsafe fn speaks_tls13(ssl: *mut SSL, options: u64) -> bool {
    // SAFETY: by contract.
    unsafe {
        // A QUIC connection speaks nothing else, and must not be asked (`connection::options`).
        if is_quic(ssl) {
            return true;
        }
        let newest = sys::SSL_get_max_proto_version(ssl);
        (newest == 0 || newest == sys::TLS1_3_VERSION) && options & sys::SSL_OP_NO_TLSv1_3 == 0
    }
}

/// Whether that version is in the extension's body (RFC 8446, section 4.2.1).
fn offers_tls13(body: &[u8]) -> bool {
    let versions = body.get(1..).unwrap_or(&[]).chunks_exact(2);
    versions.into_iter().any(|version| version == [3, 4])
}

/// The first identity in the extension's body (RFC 8446, section 4.2.11), if it is as long as ids
/// of stateful tickets are: OpenSSL looks up no other.
fn first_identity(body: &[u8]) -> Option<SessionId> {
    let (_, identities) = body.split_first_chunk::<2>()?;
    let (len, rest) = identities.split_first_chunk::<2>()?;
    let identity = rest.get(..usize::from(u16::from_be_bytes(*len)))?;
    let is_id = identity.len() == SessionId::MAX_LEN;
    is_id.then(|| SessionId::new(identity).ok())?
}

/// An extension of the ClientHello that is being read.
///
/// # Safety
///
/// `ssl` is a live connection; the bytes live until the callback returns that OpenSSL has called.
pub(super) unsafe fn extension<'a>(ssl: *mut SSL, number: c_uint) -> Option<&'a [u8]> {
    let (mut start, mut len) = (std::ptr::null(), 0);
    // SAFETY: by contract; OpenSSL keeps the ClientHello while the callback runs.
    unsafe {
        let found = ffi::SSL_client_hello_get0_ext(ssl, number, &mut start, &mut len) == 1;
        found.then(|| ffi::bytes(start, len))
    }
}

/// The host name in the extension's body (RFC 6066, section 3): a list, of which OpenSSL allows one
/// entry of that type.
pub(super) fn host_name(body: &[u8]) -> Option<&[u8]> {
    let (_, entry) = body.split_first_chunk::<2>()?;
    let (&[0, high, low], name) = entry.split_first_chunk()? else {
        return None;
    };
    name.get(..usize::from(u16::from_be_bytes([high, low])))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_a_session_id_only_by_its_length() {
        let id = |body: &[u8]| first_identity(body).map(|id| id.as_bytes().to_vec());
        for len in [0_u8, 1, 31, 32, 33, 255] {
            let identity = vec![7; len.into()];
            let body = [&[0, len.wrapping_add(6), 0, len], &identity[..], &[0; 4]].concat();
            let is_id = len == 32;
            assert_eq!(id(&body), is_id.then_some(identity));
            let cut = (0..body.len() - 4).find(|len| id(&body[..*len]).is_some());
            assert_eq!(cut, None);
        }
        assert!(offers_tls13(&[4, 3, 3, 3, 4]));
        for body in [&[][..], &[4], &[4, 3, 3, 3], &[2, 3, 3], &[3, 1, 3, 4]] {
            assert!(!offers_tls13(body), "{body:?}");
        }
    }

    #[test]
    fn a_host_name_is_read_and_nothing_else_is_one() {
        assert_eq!(host_name(b"\0\x09\0\0\x06a.test"), Some(&b"a.test"[..]));
        let no_names: [&[u8]; 5] = [
            b"",
            b"\0",
            b"\0\x04\0\0",
            b"\0\x09\x01\0\x06a.test",
            b"\0\x09\0\0\x07a.test",
        ];
        for no_name in no_names {
            assert_eq!(host_name(no_name), None);
        }
    }
}
