//! Upstreams that read the header of the PROXY protocol, version 2, and say what it told them.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use rekindle_test_servers::serve;

pub(crate) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const REKINDLE: u8 = 0xE4;
const SSL: u8 = 0x20;

/// What a header has told of a client that came by IPv4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) source: SocketAddr,
    pub(crate) alpn: Option<String>,
    pub(crate) server_name: Option<String>,
    /// Of the client's certificate.
    pub(crate) common_name: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) resumed: bool,
    pub(crate) early_data: bool,
}

impl Told {
    /// Takes the header, and not a byte that follows.
    pub(crate) fn read(upstream: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 16];
        upstream.read_exact(&mut head)?;
        let is_ours = head[..12] == SIGNATURE[..] && head[12..14] == [0x21, 0x11];
        assert!(is_ours, "no header of a TCP connection: {head:?}");
        let mut rest = vec![0; usize::from(u16::from_be_bytes([head[14], head[15]]))];
        upstream.read_exact(&mut rest)?;
        let (addresses, tlvs) = rest.split_at(12);
        let ip: [u8; 4] = addresses[..4].try_into().expect("four bytes");
        let port = u16::from_be_bytes([addresses[8], addresses[9]]);
        let tlvs = split(tlvs);
        let ssl = split(&value(&tlvs, SSL).expect("it is TLS")[5..]);
        let text = |tlvs: &[(u8, Vec<u8>)], kind| {
            value(tlvs, kind).map(|bytes| String::from_utf8(bytes.into()).expect("text"))
        };
        let own = value(&tlvs, REKINDLE).expect("flags");
        let flags = own.strip_prefix(b"rekindle").expect("ours")[0];
        Ok(Self {
            source: (Ipv4Addr::from(ip), port).into(),
            alpn: text(&tlvs, 0x01),
            server_name: text(&tlvs, 0x02),
            common_name: text(&ssl, 0x22),
            version: text(&ssl, 0x21),
            resumed: flags & 1 != 0,
            early_data: flags & 2 != 0,
        })
    }

    /// A line `name: value` for each fact, as `Printed::pages` finds them.
    fn page(&self) -> String {
        let Self {
            source,
            resumed,
            early_data,
            ..
        } = self;
        let text = |fact: &Option<String>| fact.clone().unwrap_or("none".into());
        let (alpn, server_name) = (text(&self.alpn), text(&self.server_name));
        let (common_name, version) = (text(&self.common_name), text(&self.version));
        format!(
            "source: {source}\nalpn: {alpn}\nserver name: {server_name}\n\
             common name: {common_name}\nversion: {version}\n\
             resumed: {resumed}\nearly data: {early_data}\n"
        )
    }
}

/// The types and values of TLVs, in order.
pub(crate) fn split(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut tlvs = Vec::new();
    while let [kind, high, low, rest @ ..] = bytes {
        let (value, rest) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        tlvs.push((*kind, value.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "a TLV is cut: {bytes:?}");
    tlvs
}

fn value(tlvs: &[(u8, Vec<u8>)], kind: u8) -> Option<&[u8]> {
    let found = tlvs.iter().find(|tlv| tlv.0 == kind);
    found.map(|(_, value)| &value[..])
}

/// Answers a request with what the header told, and with the request, and ends.
pub(crate) fn reporter() -> SocketAddr {
    serve(|mut tcp| {
        let told = Told::read(&mut tcp)?;
        let request = read_request(&mut tcp)?;
        write!(tcp, "HTTP/1.0 200 OK\r\n\r\n{}{request}\n", told.page())
    })
}

/// Up to an empty line.
pub(crate) fn read_request(tcp: &mut TcpStream) -> io::Result<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tcp.read_exact(&mut byte)?;
        request.extend(byte);
    }
    Ok(String::from_utf8_lossy(&request).into_owned())
}
