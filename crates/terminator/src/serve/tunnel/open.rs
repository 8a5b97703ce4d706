//! Connects a client to an upstream, which is told who the client is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openssl::nid::Nid;
use openssl::ssl::{NameType, SslRef};
use openssl::x509::X509Ref;
use rekindle::openssl::ResumedBy;
use tokio::io::AsyncWriteExt;
use tracing::debug;

use super::forward::{Forward, Limits};
use super::linger::linger;
use crate::admin::Metrics;
use crate::serve::client::Client;
use crate::serve::deadlines::Deadline;
use crate::serve::proxy_protocol::{Addresses, ClientCertificate, Outgoing, TlsFacts, Version};
use crate::serve::tls::TlsStream;
use crate::serve::upstream::{UpstreamSet, Upstreams};

/// Forwards to the upstreams.
#[derive(Debug)]
pub(in crate::serve) struct Tunnel {
    pub(in crate::serve) upstreams: Arc<Upstreams>,
    /// Those that the header below is for. A reload changes both for the connections after it.
    pub(in crate::serve) set: UpstreamSet,
    pub(in crate::serve) connect_timeout: Duration,
    pub(in crate::serve) limits: Limits,
    /// The version of the header that the upstream gets.
    pub(in crate::serve) proxy_protocol_out: Option<Version>,
}

impl Tunnel {
    /// Forwards until the connection ends. A client that has sent early data has until `deadline`
    /// to finish its handshake.
    pub(in crate::serve) async fn serve(
        &self,
        client: Client,
        resumed: Option<ResumedBy>,
        deadline: &Deadline,
        metrics: &Metrics,
    ) -> Result<(), String> {
        let connecting = self.upstreams.connect(&self.set, self.connect_timeout);
        let connection = match connecting.await {
            Ok(connection) => connection,
            Err(error) => {
                close(client.stream, deadline).await;
                return Err(error.to_string());
            }
        };
        debug!(peer = %client.peer, upstream = connection.upstream(), "connected");
        let header = self.header(&client, resumed);
        let Client { stream, early, .. } = client;
        let forward = Forward::new(stream, connection, header, &early, metrics);
        let ended = forward.run(self.limits, deadline).await;
        ended.map_err(|error| error.to_string())
    }

    /// What the upstream gets before the client's bytes.
    fn header(&self, client: &Client, resumed: Option<ResumedBy>) -> Vec<u8> {
        let mut header = Vec::new();
        let Some(version) = self.proxy_protocol_out else {
            return header;
        };
        let ssl = client.stream.ssl();
        let certificate = ssl.peer_certificate();
        let common_name = certificate.as_deref().and_then(common_name);
        let outgoing = Outgoing {
            addresses: addresses(client),
            tls: Some(TlsFacts {
                version: ssl.version_str(),
                cipher: ssl.current_cipher().map(|cipher| cipher.name()),
                alpn: ssl.selected_alpn_protocol(),
                server_name: ssl.servername(NameType::HOST_NAME),
                client_certificate: certificate.as_ref().map(|_| ClientCertificate {
                    common_name: common_name.as_deref(),
                    in_this_handshake: resumed.is_none(),
                    verify_result: verify_result(ssl),
                }),
                resumed: resumed.is_some(),
                early_data: !client.early.is_empty(),
            }),
        };
        outgoing.encode(version, &mut header);
        header
    }
}

/// Those that the client's own proxy has named, or those of the connection.
fn addresses(client: &Client) -> Option<Addresses> {
    client.named.or_else(|| {
        let destination: SocketAddr = client.stream.local_address().ok()?;
        Some(Addresses {
            source: client.peer,
            destination,
        })
    })
}

fn common_name(certificate: &X509Ref) -> Option<String> {
    let mut names = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    let name = names.next()?.data().to_string().ok()?;
    Some(name)
}

fn verify_result(ssl: &SslRef) -> u32 {
    ssl.verify_result().as_raw().unsigned_abs()
}

/// Ends the connection of a client that cannot be served: all that it has got, so it is told the
/// end.
async fn close(mut client: TlsStream, deadline: &Deadline) {
    let shut = async {
        client.discard_early_data().await?;
        client.shutdown().await
    };
    if matches!(deadline.limit(shut).await, Some(Ok(()))) {
        linger(client.tcp(), deadline).await;
    }
}
