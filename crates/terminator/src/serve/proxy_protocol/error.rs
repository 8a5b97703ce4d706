//! Why a header is refused.

use thiserror::Error;

/// Each is the sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum HeaderError {
    #[error("the connection does not begin with a PROXY header")]
    NoHeader,
    #[error("a PROXY header of a version that is not accepted")]
    NotAccepted,

    // Version 1.
    #[error("PROXY line: its protocol is none of TCP4, TCP6 and UNKNOWN")]
    Protocol,
    #[error("PROXY line: it has no CRLF in its first 107 bytes")]
    LineTooLong,
    #[error("PROXY line: a CR or LF that is no CRLF")]
    LineEnd,
    #[error("PROXY line: byte {0:#04x}, which is part of no address or port")]
    Byte(u8),
    #[error("PROXY line: other than two addresses and two ports, one space before each")]
    Fields,
    #[error("PROXY line: its source address is none of its protocol")]
    SourceAddress,
    #[error("PROXY line: its destination address is none of its protocol")]
    DestinationAddress,
    #[error("PROXY line: its source port is no number from 0 to 65535")]
    SourcePort,
    #[error("PROXY line: its destination port is no number from 0 to 65535")]
    DestinationPort,

    // Version 2.
    #[error("binary PROXY header: version {0}, not 2")]
    Version(u8),
    #[error("binary PROXY header: unknown command {0}")]
    Command(u8),
    #[error("binary PROXY header: unknown address family {0}")]
    Family(u8),
    #[error("binary PROXY header: transport {0}, which is not a stream")]
    Transport(u8),
    #[error("binary PROXY header: {0} bytes after the first 16, of which at most 4096 are taken")]
    TooLong(usize),
    #[error("binary PROXY header: {length} bytes, where addresses of its family take {needed}")]
    NoRoomForAddresses { length: usize, needed: usize },
    #[error("binary PROXY header: the TLV at byte {0} goes beyond its end")]
    TlvOverrun(usize),
    #[error("binary PROXY header: its checksum at byte {0} is a second one, or has not 4 bytes")]
    MalformedChecksum(usize),
    #[error(
        "binary PROXY header: checksum {received:#010x}, where its bytes have {computed:#010x}"
    )]
    Checksum { received: u32, computed: u32 },
}
