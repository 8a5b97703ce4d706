//! Version 1: a line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::addresses::Addresses;
use super::error::HeaderError;
use super::received::{Parse, Received};

/// The longest line, with its CRLF (section 2.1).
const MAX_LINE: usize = 107;
const PROXY: &[u8] = b"PROXY ";
const CRLF: usize = 2;

type ParseIp = fn(&str) -> Option<IpAddr>;

pub(super) fn parse(bytes: &[u8]) -> Result<Parse, HeaderError> {
    let bytes = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(rest) = after(bytes, PROXY, HeaderError::NoHeader)? else {
        return Ok(Parse::Incomplete);
    };
    // Which word it can only be; the next step tells whether it is.
    let (word, ip): (&[u8], Option<ParseIp>) = match (rest.first(), rest.get(3)) {
        (Some(b'U'), _) => (b"UNKNOWN", None),
        (_, Some(b'6')) => (b"TCP6 ", Some(ipv6)),
        _ => (b"TCP4 ", Some(ipv4)),
    };
    let Some(rest) = after(rest, word, HeaderError::Protocol)? else {
        return Ok(Parse::Incomplete);
    };
    if ip.is_none() && !matches!(rest.first(), None | Some(b' ' | b'\r' | b'\n')) {
        return Err(HeaderError::Protocol);
    }
    let Some(text) = text(rest, bytes.len() - rest.len(), ip.is_some())? else {
        return Ok(Parse::Incomplete);
    };
    let addresses = ip.map(|ip| addresses(text, ip)).transpose()?;
    Ok(Parse::Complete {
        header: Received { addresses },
        length: bytes.len() - rest.len() + text.len() + CRLF,
    })
}

/// What follows `prefix`; `None` where `bytes` are its beginning.
fn after<'a>(
    bytes: &'a [u8],
    prefix: &[u8],
    otherwise: HeaderError,
) -> Result<Option<&'a [u8]>, HeaderError> {
    match bytes.strip_prefix(prefix) {
        Some(rest) => Ok(Some(rest)),
        None if prefix.starts_with(bytes) => Ok(None),
        None => Err(otherwise),
    }
}

/// What is before CRLF; `None` where CRLF has not come yet. `before` bytes of the line precede.
fn text(rest: &[u8], before: usize, strict: bool) -> Result<Option<&[u8]>, HeaderError> {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let end = rest.iter().position(is_end).unwrap_or(rest.len());
    let text = &rest[..end];
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || b" .:".contains(byte);
    if let Some(byte) = text.iter().find(|byte| strict && !is_part(byte)) {
        return Err(HeaderError::Byte(*byte));
    }
    if before + end > MAX_LINE - CRLF {
        return Err(HeaderError::LineTooLong);
    }
    match &rest[end..] {
        [] | [b'\r'] => Ok(None),
        [b'\r', b'\n', ..] => Ok(Some(text)),
        _ => Err(HeaderError::LineEnd),
    }
}

fn addresses(text: &[u8], ip: ParseIp) -> Result<Addresses, HeaderError> {
    let text = str::from_utf8(text).map_err(|_| HeaderError::Fields)?;
    let mut fields = text.split(' ');
    let mut field = || fields.next().ok_or(HeaderError::Fields);
    let [source, destination] = [field()?, field()?];
    let [source_port, destination_port] = [field()?, field()?];
    if fields.next().is_some() {
        return Err(HeaderError::Fields);
    }
    Ok(Addresses::new(
        (
            ip(source).ok_or(HeaderError::SourceAddress)?,
            port(source_port).ok_or(HeaderError::SourcePort)?,
        ),
        (
            ip(destination).ok_or(HeaderError::DestinationAddress)?,
            port(destination_port).ok_or(HeaderError::DestinationPort)?,
        ),
    ))
}

/// Takes no zero before another digit, as the specification demands.
fn ipv4(text: &str) -> Option<IpAddr> {
    text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

/// Takes no scope. Takes the last 32 bits as IPv4, which nginx and HAProxy send.
fn ipv6(text: &str) -> Option<IpAddr> {
    text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// `str::parse` would take zeros and a sign before the number.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}
