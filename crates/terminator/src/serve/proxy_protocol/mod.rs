//! The PROXY protocol, versions 1 and 2: bytes in, values out; no sockets.
//!
//! A proxy in front of a server puts a header before the first byte of a connection, which names
//! the client's address. The specification is HAProxy's:
//! <https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt>. Numbers of sections below are
//! its.
//!
//! # Receiving
//!
//! [`parse()`] takes the first bytes of a connection. It refuses a header as soon as no bytes that
//! follow could make it valid: a ClientHello at its first byte. A listener either demands a header
//! on each connection or takes none: one that guessed would let each client choose its address
//! (section 2).
//!
//! What follows the header belongs to TLS. While [`parse()`] says [`Parse::Incomplete`], each byte
//! that it was given is the header's. A caller that peeks, parses, and then takes from the socket
//! what it peeked (`Incomplete`) or the rest of the header (`Complete`) reads nothing of TLS and
//! never waits in a loop. A header has at most [`MAX_RECEIVED`] bytes.
//!
//! Of TLVs, only the checksum is looked at. `LOCAL` and unspecified families say nothing of the
//! client: their bytes are passed over, as section 2.2 demands.
//!
//! # Sending
//!
//! [`Outgoing::encode`] writes a line (version 1) or a binary header with TLVs (version 2), in
//! [`MAX_SENT`] bytes at most. A TLV that would not fit is left out.
//!
//! | type | TLV | value |
//! |---|---|---|
//! | 0x01 | `PP2_TYPE_ALPN` | the protocol that was negotiated, without a length before it |
//! | 0x02 | `PP2_TYPE_AUTHORITY` | the server name that the client asked for |
//! | 0x20 | `PP2_TYPE_SSL` | flags, result of the verification, and the three below |
//! | 0x21 | `PP2_SUBTYPE_SSL_VERSION` | `TLSv1.2`, `TLSv1.3` |
//! | 0x22 | `PP2_SUBTYPE_SSL_CN` | common name of the client's certificate |
//! | 0x23 | `PP2_SUBTYPE_SSL_CIPHER` | the cipher's name |
//! | 0xE4 | [`TYPE_REKINDLE`] | `rekindle` in ASCII, and one byte of flags |
//!
//! The flags of [`TYPE_REKINDLE`], whose other bits are zero and to be ignored:
//!
//! | bit | meaning |
//! |---|---|
//! | [`FLAG_RESUMED`] (0x01) | the handshake resumed a session |
//! | [`FLAG_EARLY_DATA`] (0x02) | the connection begins with early data of TLS 1.3 |
//!
//! An attacker may have replayed early data: at the time of the header, the client has not
//! completed the handshake.
//!
//! The number is one of the sixteen that are free for each application (section 2.2.8), so another
//! vendor may use it as well: a receiver looks at the eight bytes before it believes the flags.
//! Version 1 has no room for any of this. Early data must not go to an upstream by version 1.
//!
//! [`MAX_SENT`]: outgoing::MAX_SENT
//! [`TYPE_REKINDLE`]: wire::TYPE_REKINDLE
//! [`FLAG_RESUMED`]: wire::FLAG_RESUMED
//! [`FLAG_EARLY_DATA`]: wire::FLAG_EARLY_DATA

mod addresses;
mod crc32c;
mod error;
mod line;
mod outgoing;
mod parse;
mod received;
mod v2;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use self::addresses::Addresses;
pub(crate) use self::error::HeaderError;
pub(crate) use self::outgoing::{ClientCertificate, Outgoing, TlsFacts, Version};
pub(crate) use self::parse::{parse, version};
pub(crate) use self::received::{MAX_RECEIVED, Parse};
