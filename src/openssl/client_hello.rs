//! What a client asks for, while OpenSSL reads its ClientHello.

use std::ffi::c_uint;

use foreign_types_shared::ForeignTypeRef;
use openssl::ssl::SslRef;
use openssl_sys::SSL;

use super::ffi;

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
