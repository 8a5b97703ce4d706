//! What the demo prints.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Commands that show each kind of resumption against the demo at `listening`.
pub(in crate::serve) fn instructions(listening: SocketAddr, admin: Option<SocketAddr>) -> String {
    let at = reachable(listening);
    let metrics = admin.map_or_else(String::new, |admin| {
        format!(
            "\n# The counters\n\
             curl -s http://{at}/metrics | grep '^rekindle_'\n",
            at = reachable(admin)
        )
    });
    let page = admin.map_or_else(String::new, |admin| {
        format!(
            " Beside it open http://{}/, which shows all of it live.",
            reachable(admin)
        )
    });
    format!(
        r"
Open https://{at}/ in a browser (the certificate is self-signed: accept it): it connects again
every few seconds, and resumes.{page} Or paste:

# TLS 1.2 by session id: one New, then five Reused, all of one session id
openssl s_client -connect {at} -tls1_2 -no_ticket -reconnect </dev/null 2>&1 |
    grep -E '^(New|Reused)|Session-ID:'

# TLS 1.2 by ticket: the same
openssl s_client -connect {at} -tls1_2 -reconnect </dev/null 2>&1 |
    grep -E '^(New|Reused)'

# TLS 1.3: the first connection is New and keeps its ticket in a file, the second shows the ticket
# and is Reused
for keep in -sess_out -sess_in; do
    printf 'GET / HTTP/1.0\r\n\r\n' |
        openssl s_client -connect {at} -tls1_3 -ign_eof $keep /tmp/rekindle-session 2>&1 |
        grep -E '^(New|Reused)'
done

# curl: one process, two connections; the server says what it saw
curl -sk -H 'Connection: close' https://{at}/ https://{at}/
{metrics}
Start with --tickets off to see TLS 1.3 resume from the cache. Ctrl-C ends the demo."
    )
}

/// Where a client on this machine reaches a listener: one that is bound to all addresses is also on
/// loopback.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
