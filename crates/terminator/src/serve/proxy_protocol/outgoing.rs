//! The header that an upstream gets.

use std::io::Write;

use super::addresses::{Addresses, Family};
use super::wire::{
    CLIENT_CERT_CONN, CLIENT_CERT_SESS, CLIENT_SSL, COMMAND_PROXY, FAMILY_INET, FAMILY_INET6,
    FAMILY_UNSPEC, FIXED, FLAG_EARLY_DATA, FLAG_RESUMED, REKINDLE, SIGNATURE, SUBTYPE_SSL_CIPHER,
    SUBTYPE_SSL_CN, SUBTYPE_SSL_VERSION, TLV_HEAD, TRANSPORT_STREAM, TRANSPORT_UNSPEC, TYPE_ALPN,
    TYPE_AUTHORITY, TYPE_REKINDLE, TYPE_SSL, VERSION_2,
};

/// The longest header that is sent, in bytes: the smallest TCP segment that each host takes, which
/// section 2 names as the bound. HAProxy takes 16,384 bytes. nginx takes 1024 in front of HTTP, and
/// in `stream` 4096; but nginx 1.22 takes 107 there, too few for the facts of TLS.
///
/// A server name of 255 bytes fits with a common name of 64.
pub(crate) const MAX_SENT: usize = 536;

/// What no name may take: `PP2_TYPE_SSL` with version and cipher, for which 50 bytes are enough.
const ROOM_FOR_SSL: usize = 64;

/// `X509_V_ERR_UNSPECIFIED`: what `verify` says where there is no certificate.
const NOT_VERIFIED: u32 = 1;

/// The forms of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// A line of text, with addresses only.
    V1,
    /// Binary, with TLVs.
    V2,
}

/// What an upstream is told of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    /// `None` where the client came by something else than IP, such as a Unix socket: `UNKNOWN`, or
    /// an unspecified family, which HAProxy 2.6 refuses.
    pub(crate) addresses: Option<Addresses>,
    /// Version 1 has no room for it.
    pub(crate) tls: Option<TlsFacts<'a>>,
}

/// What a handshake has agreed on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TlsFacts<'a> {
    /// As OpenSSL names it: `TLSv1.3`.
    pub(crate) version: &'a str,
    /// As OpenSSL names it: `TLS_AES_128_GCM_SHA256`.
    pub(crate) cipher: Option<&'a str>,
    /// The protocol that was chosen: `h2`.
    pub(crate) alpn: Option<&'a [u8]>,
    /// The server name that the client asked for.
    pub(crate) server_name: Option<&'a str>,
    pub(crate) client_certificate: Option<ClientCertificate<'a>>,
    /// The handshake resumed a session.
    pub(crate) resumed: bool,
    /// The connection begins with early data.
    pub(crate) early_data: bool,
}

/// The certificate of the client's session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientCertificate<'a> {
    pub(crate) common_name: Option<&'a str>,
    /// The client gave it in this handshake, and not in one that this one resumes.
    pub(crate) in_this_handshake: bool,
    /// Zero if it was verified, OpenSSL's `X509_V_ERR_..` otherwise.
    pub(crate) verify_result: u32,
}

impl Outgoing<'_> {
    /// Appends the header to `out`: at most [`MAX_SENT`] bytes.
    pub(crate) fn encode(&self, version: Version, out: &mut Vec<u8>) {
        match version {
            Version::V1 => encode_line(self.addresses.as_ref(), out),
            Version::V2 => self.encode_binary(out),
        }
    }

    fn encode_binary(&self, out: &mut Vec<u8>) {
        out.reserve(MAX_SENT);
        let start = out.len();
        out.extend(SIGNATURE);
        out.push(VERSION_2 << 4 | COMMAND_PROXY);
        put_addresses(self.addresses.as_ref(), out);
        if let Some(tls) = &self.tls {
            let end = start + MAX_SENT;
            tls.put(&mut Tlvs { out, end });
        }
        put_length(out, start + FIXED - 2);
    }
}

fn encode_line(addresses: Option<&Addresses>, out: &mut Vec<u8>) {
    let Some(addresses) = addresses else {
        return out.extend(b"PROXY UNKNOWN\r\n");
    };
    let (source, destination) = (addresses.source.port(), addresses.destination.port());
    let ports = format_args!("{source} {destination}");
    // A `Vec` takes each write.
    let _ = match addresses.family() {
        Family::V4(source, destination) => {
            write!(out, "PROXY TCP4 {source} {destination} {ports}\r\n")
        }
        Family::V6(source, destination) => {
            write!(out, "PROXY TCP6 {source} {destination} {ports}\r\n")
        }
    };
}

/// Family, transport, a length to be filled in, addresses.
fn put_addresses(addresses: Option<&Addresses>, out: &mut Vec<u8>) {
    let Some(addresses) = addresses else {
        return out.extend([FAMILY_UNSPEC << 4 | TRANSPORT_UNSPEC, 0, 0]);
    };
    match addresses.family() {
        Family::V4(source, destination) => {
            out.extend([FAMILY_INET << 4 | TRANSPORT_STREAM, 0, 0]);
            out.extend(source.octets());
            out.extend(destination.octets());
        }
        Family::V6(source, destination) => {
            out.extend([FAMILY_INET6 << 4 | TRANSPORT_STREAM, 0, 0]);
            out.extend(source.octets());
            out.extend(destination.octets());
        }
    }
    out.extend(addresses.source.port().to_be_bytes());
    out.extend(addresses.destination.port().to_be_bytes());
}

impl TlsFacts<'_> {
    fn put(&self, tlvs: &mut Tlvs<'_>) {
        // First, for it must not be left out: an upstream relies on it to refuse replays.
        let mut own = [0; REKINDLE.len() + 1];
        own[..REKINDLE.len()].copy_from_slice(&REKINDLE);
        own[REKINDLE.len()] =
            flag(self.resumed, FLAG_RESUMED) | flag(self.early_data, FLAG_EARLY_DATA);
        tlvs.put(TYPE_REKINDLE, &own);

        tlvs.end -= ROOM_FOR_SSL;
        tlvs.put_if_any(TYPE_ALPN, self.alpn);
        tlvs.put_if_any(TYPE_AUTHORITY, self.server_name.map(str::as_bytes));
        tlvs.end += ROOM_FOR_SSL;

        // Its length is known at the end.
        let ssl = tlvs.out.len();
        tlvs.out.extend([TYPE_SSL, 0, 0]);
        self.put_ssl(tlvs);
        put_length(tlvs.out, ssl + TLV_HEAD - 2);
    }

    fn put_ssl(&self, tlvs: &mut Tlvs<'_>) {
        let certificate = self.client_certificate.as_ref();
        let in_this_handshake = certificate.is_some_and(|given| given.in_this_handshake);
        tlvs.out.push(
            CLIENT_SSL
                | flag(in_this_handshake, CLIENT_CERT_CONN)
                | flag(certificate.is_some(), CLIENT_CERT_SESS),
        );
        let verify = certificate.map_or(NOT_VERIFIED, |given| given.verify_result);
        tlvs.out.extend(verify.to_be_bytes());
        tlvs.put(SUBTYPE_SSL_VERSION, self.version.as_bytes());
        tlvs.put_if_any(SUBTYPE_SSL_CIPHER, self.cipher.map(str::as_bytes));
        let name = certificate.and_then(|given| given.common_name);
        tlvs.put_if_any(SUBTYPE_SSL_CN, name.map(str::as_bytes));
    }
}

fn flag(is_set: bool, flag: u8) -> u8 {
    if is_set { flag } else { 0 }
}

/// Appends TLVs to a header.
struct Tlvs<'a> {
    out: &'a mut Vec<u8>,
    /// Where `out` has to end. A TLV that would go beyond is left out.
    end: usize,
}

impl Tlvs<'_> {
    fn put(&mut self, kind: u8, value: &[u8]) {
        let end = self.out.len() + TLV_HEAD + value.len();
        match u16::try_from(value.len()) {
            Ok(length) if end <= self.end => {
                self.out.push(kind);
                self.out.extend(length.to_be_bytes());
                self.out.extend(value);
            }
            _ => {}
        }
    }

    fn put_if_any(&mut self, kind: u8, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.put(kind, value);
        }
    }
}

/// Writes, into the two bytes from `at` on, how many bytes follow them.
fn put_length(out: &mut [u8], at: usize) {
    let length = out.len() - (at + 2);
    // No more than `MAX_SENT`.
    out[at..at + 2].copy_from_slice(&(length as u16).to_be_bytes());
}
