//! Which hosts a request may be for.
//!
//! A page on the Internet can let its own name lead to an address of this machine or network, and
//! then read, through the browser of a visitor, what is served there (DNS rebinding). Its requests
//! name its host. So a host must be an IP address, `localhost`, or a name that the operator gave.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Request, StatusCode, Version};

use super::http::{Answer, text};
use crate::cli::{Address, HostName};

/// The names that requests may be for.
#[derive(Debug)]
pub(crate) struct Hosts(Vec<String>);

/// Why a request is not answered.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// No host, two hosts, or something that is none.
    Malformed,
    Unknown,
}

impl Hosts {
    /// Names of `--admin-host`, and that of the address itself.
    pub(crate) fn new(names: &[HostName], address: Option<&Address>) -> Self {
        let host = address.and_then(|address| address.as_str().rsplit_once(':'));
        let names = names
            .iter()
            .map(HostName::as_str)
            .chain(host.map(|(host, _)| host));
        Self(names.map(str::to_owned).collect())
    }

    /// The answer to a request for another host.
    pub(super) fn refuse(&self, request: &Request<Incoming>) -> Option<Answer> {
        let fields = request.headers().get_all(HOST).iter();
        let hosts: Vec<_> = fields.map(|field| field.to_str().ok()).collect();
        let target = request.uri().authority();
        match self.check(request.version(), target, &hosts) {
            Ok(()) => None,
            Err(Refusal::Malformed) => {
                let say = "one Host field is needed\n";
                Some(text(StatusCode::BAD_REQUEST, say))
            }
            Err(Refusal::Unknown) => {
                let say = "this host is not known here: ask for an IP address or localhost, or \
                           start with --admin-host NAME\n";
                Some(text(StatusCode::MISDIRECTED_REQUEST, say))
            }
        }
    }

    /// `hosts` are the request's Host fields, as far as they are text.
    fn check(
        &self,
        version: Version,
        target: Option<&Authority>,
        hosts: &[Option<&str>],
    ) -> Result<(), Refusal> {
        let host = match hosts {
            // Browsers speak HTTP/1.1, which demands the field.
            [] if version < Version::HTTP_11 && target.is_none() => return Ok(()),
            [Some(host)] => host.parse().map_err(|_| Refusal::Malformed)?,
            _ => return Err(Refusal::Malformed),
        };
        // RFC 9112, 3.2.2: what the target says takes the place of the field. A browser sends no
        // such target, so both must do.
        let hosts = [Some(&host), target].into_iter().flatten();
        let mut unknown = hosts.filter(|host| !self.knows(host));
        unknown.next().map_or(Ok(()), |_| Err(Refusal::Unknown))
    }

    fn knows(&self, authority: &Authority) -> bool {
        let host = authority.host();
        // Nothing but a port may follow, and nothing precede.
        let rest = authority.as_str().strip_prefix(host);
        let is_port = |rest: &str| rest.strip_prefix(':').is_some_and(is_number);
        if !rest.is_some_and(|rest| rest.is_empty() || is_port(rest)) {
            return false;
        }
        let v6 = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let is_address = match v6 {
            Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
            None => host.parse::<Ipv4Addr>().is_ok(),
        };
        let named = |name: &str| host.eq_ignore_ascii_case(name);
        is_address || named("localhost") || self.0.iter().any(|name| named(name))
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &[Option<&str>]) -> Result<(), Refusal> {
        let names = ["Admin.example".parse().expect("a name")];
        let address = "bound.example:9443".parse().expect("an address");
        Hosts::new(&names, Some(&address)).check(Version::HTTP_11, None, hosts)
    }

    #[test]
    fn addresses_localhost_and_names_that_were_given_are_known() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:9443",
            "10.1.2.3:80",
            "[::1]",
            "[::1]:9443",
            "[2001:db8::1]:1",
            "localhost",
            "LocalHost:9443",
            "admin.example",
            "ADMIN.EXAMPLE:9443",
            "bound.example:9443",
        ] {
            assert_eq!(check(&[Some(host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for host in [
            "evil.example",
            "evil.example:9443",
            "admin.example.evil.example",
            "xadmin.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "2130706433",
            "0x7f000001",
            "127.1",
            "[::1].evil.example",
            "[::1]evil.example:1",
            "user@localhost",
            "localhost:evil.example",
            "[v1.a]",
        ] {
            assert!(check(&[Some(host)]).is_err(), "{host}");
        }
    }

    #[test]
    fn a_request_has_one_host() {
        let (good, malformed) = (Some("localhost"), Err(Refusal::Malformed));
        assert_eq!(check(&[]), malformed);
        assert_eq!(check(&[good, good]), malformed);
        for host in [
            None,
            Some(""),
            Some("a b"),
            Some("http://localhost/"),
            Some("/"),
        ] {
            assert_eq!(check(&[host]), malformed, "{host:?}");
        }
        let hosts = Hosts(Vec::new());
        assert_eq!(hosts.check(Version::HTTP_10, None, &[]), Ok(()));
        let evil = "evil.example".parse().expect("an authority");
        let both = hosts.check(Version::HTTP_11, Some(&evil), &[good]);
        assert_eq!(both, Err(Refusal::Unknown));
        assert!(hosts.check(Version::HTTP_10, Some(&evil), &[]).is_err());
    }
}
