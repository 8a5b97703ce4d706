//! Stores of other shapes: over TLS, with a replica that takes over, a cluster.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rekindle_fleet::{RedisStore, Sharing, StoreCertificates};
use rekindle_test_servers::free_address;

use crate::common::{Client, Mechanism};
use crate::host::Host;
use crate::servers::{RedisServer, is_skipped};

const KIND: Mechanism = Mechanism::Tls13Stateful;

/// Half a second without an answer, and a node is taken to be away.
const CLUSTER_NODE: &str = "--cluster-enabled yes --cluster-node-timeout 500 --cluster-port";

/// The port that nodes talk on is a free one, too: by itself it may be one that a client has.
fn cluster_node() -> RedisServer {
    let port = free_address().port();
    RedisServer::with(&format!("{CLUSTER_NODE} {port}"))
}

/// Each gets what the other makes, and what it ends.
#[track_caller]
fn shares(a: &Host, b: &Host) {
    for (from, to) in [(a, b), (b, a)] {
        let (client, mut given) = (Client::new(KIND), Vec::new());
        to.until(|| {
            given.push(from.open(&client));
            std::thread::sleep(Duration::from_millis(20));
            given.iter().any(|(_, given)| to.knows(given))
        });
        let known = given.iter().position(|(_, given)| to.knows(given));
        let (mut connection, given) = given.swap_remove(known.expect("one came"));
        assert!(to.resumes(&client, &given));
        connection.rude = true;
        drop(connection);
        to.waits_for_end_of(&given);
    }
}

/// An authority, and certificates of it for a server and a client, in files.
fn certificates(folder: &Path) -> StoreCertificates {
    let key = || KeyPair::generate().expect("a key");
    let ca_key = key();
    let mut ca = CertificateParams::new([]).expect("a certificate");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "authority");
    let ca_pem = ca.self_signed(&ca_key).expect("a certificate").pem();
    let ca = Issuer::new(ca, ca_key);
    let issue = |name: &str| {
        let (key, names) = (key(), [name.to_owned()]);
        let leaf = CertificateParams::new(names).expect("a certificate");
        let leaf = leaf.signed_by(&key, &ca).expect("a certificate");
        (leaf.pem(), key.serialize_pem())
    };
    let (server, server_key) = issue("localhost");
    let (client, client_key) = issue("machine.test");
    for (file, text) in [
        ("ca.pem", &ca_pem),
        ("server.pem", &server),
        ("server.key", &server_key),
    ] {
        fs::write(folder.join(file), text).expect("a file");
    }
    StoreCertificates {
        ca: Some(ca_pem.into_bytes()),
        identity: Some((client.into_bytes(), client_key.into_bytes())),
    }
}

#[test]
fn over_tls_with_certificates_on_both_sides() {
    if is_skipped() {
        return;
    }
    let mut certificates_of = None;
    let server = RedisServer::prepared(|folder, port| {
        certificates_of = Some(certificates(folder));
        let port = port.to_string();
        let words = [
            "--port",
            "0",
            "--tls-port",
            &port,
            "--tls-auth-clients",
            "yes",
        ];
        let files = [
            ["--tls-cert-file", "server.pem"],
            ["--tls-key-file", "server.key"],
            ["--tls-ca-cert-file", "ca.pem"],
        ];
        let words = words.into_iter().chain(files.into_iter().flatten());
        words.map(str::to_owned).collect()
    });
    let url = format!("rediss://localhost:{}", server.port());
    let right = certificates_of.expect("certificates");
    let store = |certificates| RedisStore::with_certificates(&url, certificates).unwrap();
    let without_identity = StoreCertificates {
        ca: right.ca.clone(),
        identity: None,
    };
    for wrong in [StoreCertificates::default(), without_identity] {
        let host = Host::new(KIND, store(wrong));
        host.until(|| host.fleet.stats().store_errors > 2);
        assert!(!host.fleet.stats().store_up);
    }
    let both = |fleet: rekindle_fleet::FleetBuilder| fleet.sharing(Sharing::Both);
    let [a, b] = [(); 2].map(|()| Host::with(KIND, store(right.clone()), both));
    shares(&a, &b);
    assert_eq!(a.fleet.stats().store_errors, 0);
}

#[test]
fn a_replica_takes_over_in_the_middle() {
    if is_skipped() {
        return;
    }
    let mut primary = RedisServer::start();
    let of = primary.port().to_string();
    let replica = RedisServer::with(&format!("--replicaof 127.0.0.1 {of}"));
    replica.wait_for(&["INFO", "replication"], "master_link_status:up");
    let url = format!(
        "redis://127.0.0.1:{},127.0.0.1:{}",
        replica.port(),
        primary.port()
    );
    let store = || RedisStore::new(&url).unwrap();
    let [a, b] = [(); 2].map(|()| Host::new(KIND, store()));
    shares(&a, &b);
    primary.kill();
    a.until(|| !a.fleet.stats().store_up);
    replica.ask(&["REPLICAOF", "NO", "ONE"]);
    shares(&a, &b);
    // Back again, the other way round, without a connection that breaks: writes are refused.
    primary.restart();
    let of = replica.port().to_string();
    primary.ask(&["REPLICAOF", "127.0.0.1", &of]);
    primary.wait_for(&["INFO", "replication"], "master_link_status:up");
    primary.ask(&["REPLICAOF", "NO", "ONE"]);
    let of = primary.port().to_string();
    replica.ask(&["REPLICAOF", "127.0.0.1", &of]);
    shares(&a, &b);
    let c = Host::new(KIND, store());
    shares(&a, &c);
}

#[test]
fn a_cluster_of_three() {
    if is_skipped() {
        return;
    }
    let mut nodes = [(); 3].map(|()| cluster_node());
    let addresses = nodes
        .each_ref()
        .map(|node| format!("127.0.0.1:{}", node.port()));
    let mut create = Command::new("redis-cli");
    create
        .args(["--cluster", "create", "--cluster-yes"])
        .args(&addresses);
    let created = create.output().expect("redis-cli");
    assert!(
        created.status.success(),
        "{}",
        String::from_utf8_lossy(&created.stdout)
    );
    for node in &nodes {
        node.wait_for(&["CLUSTER", "INFO"], "cluster_state:ok");
    }
    let url = format!("redis+cluster://{}", addresses.join(","));
    for sharing in [Sharing::Replicate, Sharing::Both] {
        let store = || RedisStore::new(&url).unwrap();
        let host = || Host::with(KIND, store(), |fleet| fleet.sharing(sharing));
        let [a, b] = [(); 2].map(|()| host());
        shares(&a, &b);
        for number in 0..3 {
            // With one in three away, some is lost, and comes back with it.
            nodes[number].kill();
            let client = Client::new(KIND);
            let given: Vec<_> = (0..10).map(|_| a.connect(&client)).collect();
            assert!(given.iter().all(|given| a.resumes(&client, given)));
            nodes[number].restart();
            for node in &nodes {
                node.wait_for(&["CLUSTER", "INFO"], "cluster_state:ok");
            }
            shares(&a, &b);
        }
        let c = host();
        shares(&b, &c);
    }
}
