//! The address of a store.

use redis::{ConnectionInfo, IntoConnectionInfo};
use thiserror::Error;

/// Where a store is.
#[derive(Clone)]
pub(super) struct StoreUrl {
    /// Each server.
    pub(super) servers: Vec<ConnectionInfo>,
    pub(super) is_cluster: bool,
    pub(super) is_tls: bool,
    /// Without user and password.
    pub(super) shown: String,
}

/// Why a text is no address of a store. Quotes nothing of it: there may be a password in it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrlError {
    /// It begins otherwise.
    #[error(
        "it begins with none of redis://, rediss:// (TLS), redis+cluster://, rediss+cluster://, \
         redis+unix://, nor with valkey in the place of redis"
    )]
    Scheme,
    /// There is something behind the address.
    #[error("it has parameters: only user, password, hosts with ports and a database are known")]
    Parameters,
    /// It has no host, or one that cannot be.
    #[error("{0}")]
    Address(String),
    /// A cluster has no databases.
    #[error("it names a database: a cluster has none")]
    Database,
    /// Certificates were given, but the scheme is not one of TLS.
    #[error("certificates need rediss:// or rediss+cluster://")]
    CertificatesWithoutTls,
    /// A certificate or key cannot be read.
    #[error("certificates: {0}")]
    Certificates(String),
}

/// A scheme, what it means, and what the Redis library calls it.
const SCHEMES: [(&str, bool, &str); 10] = [
    ("redis", false, "redis"),
    ("rediss", false, "rediss"),
    ("redis+cluster", true, "redis"),
    ("rediss+cluster", true, "rediss"),
    ("redis+unix", false, "redis+unix"),
    ("valkey", false, "redis"),
    ("valkeys", false, "rediss"),
    ("valkey+cluster", true, "redis"),
    ("valkeys+cluster", true, "rediss"),
    ("valkey+unix", false, "redis+unix"),
];

impl StoreUrl {
    pub(super) fn parse(text: &str) -> Result<Self, StoreUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(StoreUrlError::Scheme)?;
        let known = SCHEMES.iter().find(|(known, ..)| *known == scheme);
        let (_, is_cluster, scheme_there) = known.ok_or(StoreUrlError::Scheme)?;
        let is_unix = *scheme_there == "redis+unix";
        if !is_unix && rest.contains(['?', '#']) {
            return Err(StoreUrlError::Parameters);
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) if !is_unix => rest.split_at(slash),
            _ => (rest, ""),
        };
        if *is_cluster && !path.trim_matches('/').is_empty() {
            return Err(StoreUrlError::Database);
        }
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) if !is_unix => (format!("{user}@"), hosts),
            _ => (String::new(), authority),
        };
        let hosts: Vec<&str> = match is_unix {
            true => vec![hosts],
            false => hosts.split(',').collect(),
        };
        let servers = hosts.iter().map(|host| {
            let url = format!("{scheme_there}://{user}{host}{path}");
            let info = url.as_str().into_connection_info();
            info.map_err(|error| StoreUrlError::Address(describe(&error)))
        });
        let hosts_shown = match is_unix {
            // Behind it may be a user and a password.
            true => hosts[0].split('?').next().unwrap_or_default().to_owned(),
            false => hosts.join(","),
        };
        Ok(Self {
            servers: servers.collect::<Result<_, _>>()?,
            is_cluster: *is_cluster,
            is_tls: *scheme_there == "rediss",
            shown: format!("{scheme}://{hosts_shown}{path}"),
        })
    }
}

/// The library's reason, which quotes nothing.
fn describe(error: &redis::RedisError) -> String {
    match error.kind() {
        redis::ErrorKind::InvalidClientConfig => {
            let text = error.to_string();
            let reason = text.split(" - ").next().unwrap_or("no address");
            reason.trim_end_matches(':').to_owned()
        }
        _ => "no address".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_all_shapes_are_read_and_show_no_password() {
        for (text, servers, is_cluster, is_tls, shown) in [
            ("redis://127.0.0.1", 1, false, false, "redis://127.0.0.1"),
            (
                "rediss://u:p@a.test:1/2",
                1,
                false,
                true,
                "rediss://a.test:1/2",
            ),
            (
                "redis://:p@a:1,b:2,[::1]:3/1",
                3,
                false,
                false,
                "redis://a:1,b:2,[::1]:3/1",
            ),
            (
                "redis+cluster://u:p%40@a:1,b",
                2,
                true,
                false,
                "redis+cluster://a:1,b",
            ),
            ("valkeys+cluster://a", 1, true, true, "valkeys+cluster://a"),
            (
                "redis+unix:///run/redis.sock?pass=p",
                1,
                false,
                false,
                "redis+unix:///run/redis.sock",
            ),
        ] {
            let url = StoreUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.servers.len(), servers, "{text}");
            assert_eq!((url.is_cluster, url.is_tls), (is_cluster, is_tls), "{text}");
            assert_eq!(url.shown, shown);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_a_quote() {
        for text in [
            "",
            "secret",
            "http://secret",
            "redis://secret@",
            "redis://secret@a:port",
            "redis://secret@a/x",
            "redis://secret@a,,b",
            "redis://secret@a?x=1",
            "rediss://secret@a#insecure",
            "redis+cluster://secret@a/1",
            "redis://secret@0.0.0.0",
        ] {
            let error = StoreUrl::parse(text)
                .err()
                .unwrap_or_else(|| panic!("{text}"));
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
