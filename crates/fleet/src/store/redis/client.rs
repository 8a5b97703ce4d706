//! The store, and how it is connected to.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionInfo, RedisError, TlsCertificates,
    Value, cmd,
};
use rustls::crypto::{CryptoProvider, ring};

use super::answers::broken;
use super::connection::RedisConnection;
use super::url::{StoreUrl, StoreUrlError};
use crate::store::contract::{Connection, Pending, Store, StoreError};

/// How long a connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(1);

/// Valkey, or Redis from 6.2 on: one server, several of which one is the primary, or a cluster.
///
/// | address | |
/// |---|---|
/// | `redis://user:password@host:6379/0` | one server; all but the host may be left out |
/// | `redis://a:6379,b:6379` | a primary and its replicas: whichever takes writes |
/// | `redis+cluster://a:6379,b:6379` | a cluster, by some of its nodes |
/// | `redis+unix:///path` | a Unix socket |
///
/// With `rediss` over TLS; `valkey` and `valkeys` are the same as `redis` and `rediss`.
///
/// A user of the store (ACL) needs the keys `rk:*` and the commands `XADD`, `XREAD`, `XREVRANGE`,
/// `PEXPIREAT`, and to [fetch](crate::Sharing) `SET` and `GET`; with several servers `ROLE`; in a
/// cluster `CLUSTER SLOTS`.
#[derive(Clone)]
pub struct RedisStore {
    shown: Arc<str>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// Servers of which one takes writes.
    Servers(Vec<Client>),
    Cluster {
        nodes: Vec<ConnectionInfo>,
        certificates: Option<TlsCertificates>,
    },
}

/// Certificates for TLS to the store, in PEM form.
#[derive(Clone, Default)]
pub struct StoreCertificates {
    /// The authorities that the store's certificate comes from; by default those of the system.
    pub ca: Option<Vec<u8>>,
    /// The certificate chain and the key that this machine shows.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl RedisStore {
    /// The store at an address. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`StoreUrlError`].
    pub fn new(url: &str) -> Result<Self, StoreUrlError> {
        Self::with_certificates(url, StoreCertificates::default())
    }

    /// The store at an address of TLS, with certificates. If the process has no default provider of
    /// rustls yet, it gets ring.
    ///
    /// # Errors
    ///
    /// [`StoreUrlError`].
    pub fn with_certificates(
        url: &str,
        certificates: StoreCertificates,
    ) -> Result<Self, StoreUrlError> {
        let StoreUrl {
            servers,
            is_cluster,
            is_tls,
            shown,
        } = StoreUrl::parse(url)?;
        let StoreCertificates { ca, identity } = certificates;
        if !is_tls && (ca.is_some() || identity.is_some()) {
            return Err(StoreUrlError::CertificatesWithoutTls);
        }
        if is_tls && CryptoProvider::get_default().is_none() {
            // Another thread may have been faster.
            let _ = ring::default_provider().install_default();
        }
        let client_tls = identity.map(|(client_cert, client_key)| ClientTlsConfig {
            client_cert,
            client_key,
        });
        let certificates = TlsCertificates {
            client_tls,
            root_cert: ca,
        };
        let wrong = |error: RedisError| StoreUrlError::Certificates(error.to_string());
        let kind = match is_cluster {
            true => {
                let (nodes, certificates) = (servers, is_tls.then_some(certificates));
                // Faults of the certificates show now.
                cluster(&nodes, certificates.as_ref(), CONNECTING).map_err(wrong)?;
                Kind::Cluster {
                    nodes,
                    certificates,
                }
            }
            false => {
                let client = |server| match is_tls {
                    true => Client::build_with_tls(server, certificates.clone()),
                    false => Client::open(server),
                };
                let clients = servers.into_iter().map(client);
                Kind::Servers(clients.collect::<Result<_, _>>().map_err(wrong)?)
            }
        };
        Ok(Self {
            shown: shown.into(),
            kind,
        })
    }

    /// The address without user and password.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.shown
    }

    async fn connection(&self, patience: Duration) -> Result<RedisConnection, StoreError> {
        match &self.kind {
            Kind::Servers(servers) => primary(servers, patience).await,
            Kind::Cluster {
                nodes,
                certificates,
            } => {
                let client = cluster(nodes, certificates.as_ref(), patience);
                let client = client.map_err(|error| broken(&error))?;
                let connection = client.get_async_connection().await;
                let connection = connection.map_err(|error| broken(&error))?;
                Ok(RedisConnection::Cluster(connection))
            }
        }
    }
}

fn cluster(
    nodes: &[ConnectionInfo],
    certificates: Option<&TlsCertificates>,
    patience: Duration,
) -> Result<ClusterClient, RedisError> {
    let mut builder = ClusterClientBuilder::new(nodes.to_vec())
        .connection_timeout(CONNECTING)
        .response_timeout(patience)
        .retries(1);
    if let Some(certificates) = certificates {
        builder = builder.certs(certificates.clone());
    }
    builder.build()
}

/// A connection to the server that takes writes.
async fn primary(servers: &[Client], patience: Duration) -> Result<RedisConnection, StoreError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECTING))
        .set_response_timeout(Some(patience));
    let mut last = StoreError::Broken("none of the servers is a primary".into());
    for server in servers {
        let connected = server.get_multiplexed_async_connection_with_config(&config);
        let mut connection = match connected.await {
            Ok(connection) => connection,
            Err(error) => {
                last = broken(&error);
                continue;
            }
        };
        if servers.len() == 1 {
            return Ok(RedisConnection::Server(connection));
        }
        match cmd("ROLE").query_async::<Vec<Value>>(&mut connection).await {
            Ok(role) if is_primary(&role) => return Ok(RedisConnection::Server(connection)),
            Ok(_) => {}
            Err(error) => last = broken(&error),
        }
    }
    Err(last)
}

fn is_primary(role: &[Value]) -> bool {
    matches!(role.first(), Some(Value::BulkString(role)) if role == b"master")
}

impl Store for RedisStore {
    fn connect(&self, patience: Duration) -> Pending<'_, Box<dyn Connection>> {
        Box::pin(async move {
            let connection = self.connection(patience).await?;
            Ok(Box::new(connection) as _)
        })
    }

    fn is_split(&self) -> bool {
        matches!(self.kind, Kind::Cluster { .. })
    }
}

/// Shows no password.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisStore({})", self.shown)
    }
}

/// Shows no key.
impl fmt::Debug for StoreCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreCertificates")
            .field("ca", &self.ca.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}
