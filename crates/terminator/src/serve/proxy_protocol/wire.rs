//! Numbers of version 2 of the protocol.

/// What a binary header begins with.
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
pub(super) const FIXED: usize = 16;

/// In the upper half of byte 12; the command is in the lower half.
pub(super) const VERSION_2: u8 = 2;
pub(super) const COMMAND_LOCAL: u8 = 0;
pub(super) const COMMAND_PROXY: u8 = 1;

/// In the upper half of byte 13; the transport is in the lower half.
pub(super) const FAMILY_UNSPEC: u8 = 0;
pub(super) const FAMILY_INET: u8 = 1;
pub(super) const FAMILY_INET6: u8 = 2;
pub(super) const FAMILY_UNIX: u8 = 3;
pub(super) const TRANSPORT_UNSPEC: u8 = 0;
pub(super) const TRANSPORT_STREAM: u8 = 1;

/// Type and length of a TLV.
pub(super) const TLV_HEAD: usize = 3;
pub(super) const TYPE_ALPN: u8 = 0x01;
pub(super) const TYPE_AUTHORITY: u8 = 0x02;
pub(super) const TYPE_CRC32C: u8 = 0x03;
pub(super) const TYPE_SSL: u8 = 0x20;
pub(super) const SUBTYPE_SSL_VERSION: u8 = 0x21;
pub(super) const SUBTYPE_SSL_CN: u8 = 0x22;
pub(super) const SUBTYPE_SSL_CIPHER: u8 = 0x23;

pub(super) const CLIENT_SSL: u8 = 0x01;
pub(super) const CLIENT_CERT_CONN: u8 = 0x02;
pub(super) const CLIENT_CERT_SESS: u8 = 0x04;

/// Our own TLV. Google (0xE0), Amazon (0xEA) and Azure (0xEE) use other numbers.
pub(crate) const TYPE_REKINDLE: u8 = 0xE4;
/// The first bytes of our TLV's value; one byte of flags follows.
pub(crate) const REKINDLE: [u8; 8] = *b"rekindle";
/// The handshake resumed a session.
pub(crate) const FLAG_RESUMED: u8 = 0x01;
/// The connection begins with early data.
pub(crate) const FLAG_EARLY_DATA: u8 = 0x02;
