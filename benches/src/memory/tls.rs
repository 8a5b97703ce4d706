//! What TLS sessions cost in all, in each storage, beside what the cache counts for them.
//!
//! Sessions without client certificates are parsed from one encoding, each with an id of its own:
//! OpenSSL holds as much for them as after a handshake, but for 1 %. Sessions with client
//! certificates come from handshakes, since verification leaves a fifth more in a certificate than
//! parsing does.

use std::io;

use openssl::ssl::{SslContext, SslVerifyMode};
use rekindle::CacheBuilder;
use rekindle::openssl::{Resumption, SessionStorage};
use rekindle_test_servers::Files;
use serde::{Deserialize, Serialize};

use super::process::{AT_ONCE, in_own_process};
use crate::process;
use crate::record::{Record, case};
use crate::threads::each;
use crate::tls::{
    HandshakeKind, Server, client_builder, new_ssl, read_identity, server_builder, session,
    shake_hands,
};
use crate::workload::churned;

/// Name of the subcommand of this program that does a [`TlsJob`].
pub(crate) const TLS_JOB: &str = "tls-memory-job";

/// From this number of sessions on the estimate has to be right: to a tenth.
const ENOUGH: u64 = 50_000;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct TlsJob {
    /// Which of `STORAGES`.
    storage: usize,
    /// Whether clients show certificates, of RSA keys of 2,048 bits.
    certificates: bool,
    /// Sessions that are inserted, and the capacity.
    sessions: u64,
}

const STORAGES: [(&str, SessionStorage); 3] = [
    ("live", SessionStorage::Live),
    ("encoded", SessionStorage::Encoded),
    (
        "live with client certificate",
        SessionStorage::LiveWithClientCertificate,
    ),
];

/// What was seen, in bytes for each session that was kept.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    resident: f64,
    estimate: f64,
}

/// Measures every storage, with and without client certificates.
pub(super) fn run(sessions: u64, record: &mut Record) {
    for certificates in [false, true] {
        // Handshakes with certificates take their time.
        let sessions = sessions / if certificates { 10 } else { 1 };
        let jobs = [0, 1, 2].map(|storage| TlsJob {
            storage,
            certificates,
            sessions,
        });
        let measure = |job: &TlsJob| in_own_process::<Seen>(TLS_JOB, job);
        let mut seen = Vec::new();
        for (one, (name, _)) in each(AT_ONCE, &jobs, measure).into_iter().zip(STORAGES) {
            match one {
                Ok(one) => seen.push((name, one)),
                Err(why) => record.note(format!("memory: {name}: {why}")),
            }
        }
        for (storage, one) in &seen {
            let off = one.estimate / one.resident;
            assert!(
                sessions < ENOUGH || (0.9..=1.1).contains(&off),
                "{storage}: the estimate is off: {one:?}"
            );
        }
        let case = case([
            ("sessions", sessions.to_string()),
            ("client certificates", certificates.to_string()),
        ]);
        let mut add = |quantity, of: fn(&Seen) -> f64| {
            let measured = seen.iter().map(|(storage, one)| (storage, vec![of(one)]));
            record.add_case(["memory", quantity, "bytes"], &case, measured);
        };
        add("resident with TLS objects", |seen| seen.resident);
        add("estimate with TLS objects", |seen| seen.estimate);
    }
}

impl TlsJob {
    pub(crate) fn measure(&self) -> io::Result<Seen> {
        let mut client = client_builder(HandshakeKind::Tls12Id.version());
        if self.certificates {
            let files = Files::new();
            files.make_certificate_with("rsa:2048", "client.example.org");
            let (certificate, key) = read_identity(&files);
            client.set_certificate(&certificate).expect("a certificate");
            client.set_private_key(&key).expect("the certificate's key");
        }
        let client = client.build();
        // What OpenSSL sets up once does not count.
        self.filled(&client, 10);
        let before = process::anonymous()?;
        let server = self.filled(&client, self.sessions);
        let grown = process::anonymous()?.saturating_sub(before);
        let stats = server.resumption.expect("ours").cache().stats();
        assert!(stats.entries as u64 > self.sessions - self.sessions / 10 - 2);
        let each = |bytes: u64| bytes as f64 / stats.entries as f64;
        Ok(Seen {
            resident: each(grown),
            estimate: each(stats.bytes as u64 + self.sessions * CacheBuilder::TABLE_BYTES as u64),
        })
    }

    /// A server with that many sessions, and room for no more.
    fn filled(&self, client: &SslContext, sessions: u64) -> Server {
        let (_, storage) = STORAGES[self.storage];
        let ours = Resumption::builder().sessions(sessions as usize);
        let ours = ours.session_storage(storage).stateless_tickets(false);
        let ours = ours.build().expect("valid");
        let mut context = server_builder();
        ours.install(&mut context).expect("a fresh context");
        if self.certificates {
            let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
            context.set_verify_callback(mode, |_, _| true);
        }
        let server = Server {
            context: context.build(),
            resumption: Some(ours),
        };
        if self.certificates {
            for _ in 0..sessions {
                let (_, ended) = shake_hands(new_ssl(client), new_ssl(&server.context));
                Resumption::keep_session(ended.ssl());
            }
        } else {
            let one = |step| server.insert(session(churned(0, step).id.as_bytes()));
            (0..sessions).for_each(one);
        }
        server
    }
}
