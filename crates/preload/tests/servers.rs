//! Debian's servers, unchanged, with the library preloaded. One that is not installed shows as an
//! ignored test. The gate runs HAProxy, the full tier nginx, hitch and Apache httpd as well.

#[path = "../../../tests/common/der.rs"]
mod der;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use der::ticket_of;
use libtest_mimic::{Arguments, Trial};
use openssl::ssl::SslVersion;
use rekindle::tickets::TicketSecret;
use rekindle_key_files::secret_text;
use rekindle_test_servers::{
    APACHE, Files, HAPROXY, HITCH, NGINX, Product, Running, Signal, Task, TlsClient, Visitor,
    bounded, converse, echo, eventually,
};

/// The library. Cargo builds none for a test: nothing links it.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let test = std::env::current_exe().expect("a path");
    let folder = test.ancestors().nth(2).expect("TARGET/PROFILE/deps/test");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--quiet",
        "--package",
        env!("CARGO_PKG_NAME"),
        "--target-dir",
    ]);
    cargo.arg(folder.parent().expect("TARGET"));
    let status = cargo.status().expect("cargo runs");
    assert!(status.success());
    folder.join("librekindle_preload.so")
});

/// A server with the library, and the environment that it reads.
fn start(product: &Product, files: &Files, name: &str, settings: &[(&str, &str)]) -> Running {
    let task = Task {
        files,
        server_name: "localhost",
        upstream: (product.name == HITCH.name).then(echo),
        workers: 4,
        stateless: true,
        cipher_suites: ["ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"],
        ticket_keys: &[],
    };
    let program = product.find().expect("it is installed");
    let prepare = |command: &mut Command| {
        command
            .env("LD_PRELOAD", &*LIBRARY)
            .envs(settings.iter().copied());
    };
    let ready = |address| {
        std::net::TcpStream::connect(address)
            .map(drop)
            .map_err(|e| e.to_string())
    };
    let running = Running::start(
        &program,
        product.configure,
        &files.path(name),
        &task,
        prepare,
        ready,
    );
    running.unwrap_or_else(|error| panic!("{}: {error}", product.name))
}

/// Sends a request, and closes when the answer begins. Whether the session was resumed.
fn visit(client: &TlsClient, server: &Running) -> bool {
    let mut stream = client.connect(server.address);
    let request = b"GET / HTTP/1.0\r\n\r\n";
    stream.write_all(request).expect("it is sent");
    let _ = stream.read(&mut [0; 1024]).expect("an answer");
    let _ = stream.shutdown();
    stream.ssl().session_reused()
}

/// The name of the key that sealed the client's ticket.
fn key_name(client: &TlsClient) -> Vec<u8> {
    let session = client.session().expect("a session");
    ticket_of(&session.to_der().expect("DER"))[..16].to_vec()
}

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];

/// Clients that come back 200 times and more, while keys rotate every two seconds.
fn keys_rotate_without_a_reload(product: &Product) {
    let files = Files::with_certificate("localhost");
    let settings = [
        ("REKINDLE_TICKET_KEY_PERIOD", "2"),
        ("REKINDLE_SESSION_TIMEOUT", "60"),
    ];
    let running = start(product, &files, "server", &settings);
    running.process.wait_for("rekindle-preload: OpenSSL");
    let clients = VERSIONS.map(TlsClient::new);
    for client in &clients {
        assert!(!visit(client, &running), "{}", product.name);
    }
    let (mut names, mut visits) = (BTreeSet::new(), 0);
    while visits < 200 || names.len() < 6 {
        assert!(visits < 50_000, "{}: {} keys", product.name, names.len());
        for client in &clients {
            visits += 1;
            assert!(visit(client, &running), "{}, visit {visits}", product.name);
            names.insert(key_name(client));
        }
    }
}

/// nginx's new workers have the old ones' keys: the master process has made both.
fn keys_outlive_a_reload(nginx: &Product) {
    let files = Files::with_certificate("localhost");
    let running = start(nginx, &files, "server", &[]);
    let clients = VERSIONS.map(TlsClient::new);
    for client in &clients {
        assert!(!visit(client, &running));
    }
    for _ in 0..3 {
        running.process.signal(Signal::HUP);
        for round in 0..100 {
            for client in &clients {
                assert!(visit(client, &running), "visit {round}");
            }
        }
    }
}

fn machines_with_one_secret_resume_each_others_tickets(product: &Product) {
    let files = Files::with_certificate("localhost");
    let secret = TicketSecret::random(Duration::from_secs(3_600), None).expect("randomness");
    std::fs::write(files.path("secret"), &*secret_text(&secret.into())).expect("a file");
    let settings = [("REKINDLE_TICKET_SECRET", &*files.text("secret"))];
    let one = start(product, &files, "one", &settings);
    let other = start(product, &files, "other", &settings);
    let alone = start(product, &files, "alone", &[]);
    for version in VERSIONS {
        let client = TlsClient::new(version);
        assert!(!visit(&client, &one), "{}", product.name);
        for machine in [&other, &one, &other] {
            assert!(visit(&client, machine), "{}, {version:?}", product.name);
        }
        assert!(!visit(&client, &alone), "{}", product.name);
    }
}

/// With tickets off, and threads that share the cache.
fn sessions_are_cached_and_counted(haproxy: &Product) {
    let files = Files::with_certificate("localhost");
    let stats = files.text("stats");
    let settings = [
        ("REKINDLE_STATELESS_TICKETS", "off"),
        ("REKINDLE_STATS", &*stats),
        ("REKINDLE_SESSIONS", "50"),
    ];
    let running = start(haproxy, &files, "server", &settings);
    for version in VERSIONS {
        let client = TlsClient::new(version);
        assert!(!visit(&client, &running));
        for _ in 0..5 {
            assert!(visit(&client, &running), "{version:?}");
        }
    }
    let file = format!("{stats}.{}", running.process.id());
    let hits = "rekindle_cache_lookups_total{result=\"hit\"} 10\n";
    eventually("ten hits in the file", || {
        // The handshake of a second writes what there was before it.
        visit(&TlsClient::new(SslVersion::TLS1_3), &running);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        text.contains(hits) && text.contains("rekindle_cache_capacity 50\n")
    });
}

/// It is told, and the server serves as it did.
fn a_wrong_setting_changes_nothing(haproxy: &Product) {
    let files = Files::with_certificate("localhost");
    for (name, value) in [
        ("REKINDLE_SESSIONS", "many"),
        ("REKINDLE_SESSIONS", "0"),
        ("REKINDLE_STATELESS_TICKETS", "yes"),
        ("REKINDLE_KEEP_SESSIONS", "1"),
        ("REKINDLE_TICKET_SECRET", "/nowhere"),
        ("REKINDLE_TICKET_KEY_PERIOD", "-1"),
    ] {
        let running = start(haproxy, &files, "server", &[(name, value)]);
        running.process.wait_for("nothing is changed");
        let client = TlsClient::new(SslVersion::TLS1_3);
        assert!(!visit(&client, &running), "{name}={value}");
        assert!(
            visit(&client, &running),
            "{name}={value}: by HAProxy's own keys"
        );
    }
}

/// `openssl s_client` with the library: its context resumes as before.
fn contexts_of_clients_are_left_alone(haproxy: &Product) {
    let files = Files::with_certificate("localhost");
    let running = start(haproxy, &files, "server", &[]);
    let visitor = Visitor::new("-tls1_3");
    visitor.visit(running.address).expect_reused([false]);
    let (session, address) = (visitor.session(), running.address);
    let line = format!("openssl s_client -ign_eof -tls1_3 -sess_in {session} -connect {address}");
    let mut client = bounded(&line);
    client.env("LD_PRELOAD", &*LIBRARY);
    converse(&mut client, b"GET / HTTP/1.0\r\n\r\n").expect_reused([true]);
}

fn main() {
    let mut trials = Vec::new();
    let mut add = |name: &str, product: &'static Product, test: fn(&'static Product)| {
        let trial = Trial::test(format!("{}::{name}", product.package), move || {
            test(product);
            Ok(())
        });
        trials.push(trial.with_ignored_flag(product.find().is_none()));
    };
    let is_full = std::env::var("REKINDLE_TIER").is_ok_and(|tier| tier == "full");
    let all = [&HAPROXY, &NGINX, &HITCH, &APACHE];
    for product in &all[..if is_full { all.len() } else { 1 }] {
        add(
            "keys_rotate_without_a_reload",
            product,
            keys_rotate_without_a_reload,
        );
        add(
            "one_secret",
            product,
            machines_with_one_secret_resume_each_others_tickets,
        );
    }
    if is_full {
        add("keys_outlive_a_reload", &NGINX, keys_outlive_a_reload);
    }
    add(
        "sessions_are_cached_and_counted",
        &HAPROXY,
        sessions_are_cached_and_counted,
    );
    add(
        "a_wrong_setting_changes_nothing",
        &HAPROXY,
        a_wrong_setting_changes_nothing,
    );
    add(
        "clients_are_left_alone",
        &HAPROXY,
        contexts_of_clients_are_left_alone,
    );
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
