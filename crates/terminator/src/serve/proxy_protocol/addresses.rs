//! Whom a header speaks of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The two ends of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// The client's.
    pub(crate) source: SocketAddr,
    /// The one that the client has connected to.
    pub(crate) destination: SocketAddr,
}

/// Source and destination in the one family that a header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Addresses {
    /// IPv4 in IPv6, as a socket for both families sees it, is IPv4. Scopes and flows of IPv6 mean
    /// nothing to another machine, and no header carries them.
    pub(super) fn new(source: (IpAddr, u16), destination: (IpAddr, u16)) -> Self {
        let plain = |(ip, port): (IpAddr, u16)| SocketAddr::new(ip.to_canonical(), port);
        Self {
            source: plain(source),
            destination: plain(destination),
        }
    }

    /// Maps an IPv4 address into IPv6 where the other one is IPv6.
    pub(super) fn family(&self) -> Family {
        let source = self.source.ip().to_canonical();
        let destination = self.destination.ip().to_canonical();
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Family::V4(source, destination),
            (source, destination) => Family::V6(mapped(source), mapped(destination)),
        }
    }
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}
