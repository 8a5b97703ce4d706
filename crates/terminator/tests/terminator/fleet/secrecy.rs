//! Users, passwords and TLS of the store; and that no password is shown.

use std::process::{Command, Stdio};

use rekindle_test_servers::{Files, Process, RedisServer, Visitor, bounded};

use super::{Meeting, STORE_UP, all_have, reach_the_store, receives};
use crate::common::authority::{Authority, Wanted};
use crate::common::ran::run;
use crate::common::{BINARY, Terminator};

const PASSWORD: &str = "correct-horse-battery-staple";

/// A user with what the documentation of `RedisStore` lists.
const USER: &str = "--user fleet on >correct-horse-battery-staple ~rk:* +xadd +xread +xrevrange \
                    +pexpireat +set +get --user default off";

/// A file of settings with a store at that address, and the command that runs it.
fn configured(meeting: &Meeting, url: &str, more: &str) -> Command {
    let text = format!(
        "demo = true\nlisten = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\ntickets = 'off'\n\
         threads = 1\nfleet = '{url}'\nfleet-secret = 'secret'\n{more}\n"
    );
    meeting.files.replace("site.toml", text.as_bytes());
    let mut command = Command::new(BINARY);
    command.args(["--config", &meeting.files.text("site.toml")]);
    command.env("RUST_LOG", "trace");
    command
}

#[track_caller]
fn hides(texts: &[&str]) {
    for text in texts {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[test]
fn a_user_with_few_rights_shares_and_its_password_is_shown_nowhere() {
    let Some(meeting) = Meeting::with(USER) else {
        return;
    };
    let port = meeting.store.port();
    let url = format!("redis://fleet:{PASSWORD}@127.0.0.1:{port}");
    for sharing in ["replicate", "fetch", "both"] {
        let more = format!("fleet-sharing = '{sharing}'");
        let start = || {
            let machine = Terminator::spawn(configured(&meeting, &url, &more));
            machine.wait_for_metric(STORE_UP, 1);
            machine
        };
        let [a, b] = [(); 2].map(|()| start());
        let client = Visitor::new("-tls1_3");
        client.visit(a.address).expect_reused([false]);
        a.wait_for_metric(super::PUBLISHED, 2);
        if sharing != "fetch" {
            receives(&b, 2);
        }
        client.come_back(b.address).expect_reused([true]);
        // What it is forbidden would show as an error of the store.
        assert_eq!(a.metric("rekindle_fleet_store_errors_total"), 0);
        assert_eq!(b.metric("rekindle_fleet_store_errors_total"), 0);
        let checked = run(&format!(
            "check --config {}",
            meeting.files.text("site.toml")
        ));
        let checked = checked.expect(0).printed();
        let (page, metrics) = (b.admin("/").1, b.admin("/metrics").1);
        let shown = format!("Store: redis://127.0.0.1:{port}, ");
        assert!(page.contains(&shown), "{page}");
        b.reload("reload: done");
        hides(&[&page, &metrics, &checked, &b.process().output()]);
    }
    // A wrong one is told of, and not shown.
    let url = format!("redis://fleet:wrong-{PASSWORD}@127.0.0.1:{port}");
    let machine = Terminator::spawn(configured(&meeting, &url, ""));
    machine.wait_for_log("the fleet's store is away");
    let page = machine.admin("/").1;
    let told = machine.admin("/metrics").1;
    hides(&[&page, &told, &machine.process().output()]);
    assert_eq!(machine.metric(STORE_UP), 0);
}

#[test]
fn an_address_that_is_wrong_is_not_quoted() {
    let files = Files::new();
    files.replace("secret", crate::common::ticket_secret(3_600).as_bytes());
    let secret = files.text("secret");
    for url in [
        format!("http://u:{PASSWORD}@store"),
        format!("redis://u:{PASSWORD}@store:port"),
        format!("redis://u:{PASSWORD}@store?x=1"),
        format!("redis+cluster://u:{PASSWORD}@store/1"),
        format!("{PASSWORD}\u{7f}"),
    ] {
        for command in ["", "check"] {
            let mut process = bounded(BINARY);
            process.args(command.split_whitespace());
            process.args(["--demo", "--fleet-secret", &secret, "--fleet", &url]);
            let ended = Process::spawn(&mut process, Stdio::null()).wait_for_end();
            assert!(matches!(ended.0.code(), Some(1 | 2)), "{}", ended.1);
            assert!(ended.1.contains("--fleet"), "{}", ended.1);
            hides(&[&ended.1]);
        }
    }
}

#[test]
fn the_store_is_reached_by_tls_with_an_authority_and_a_certificate_of_its_own() {
    let files = Files::new();
    let authority = Authority::root("stores");
    authority.write(&files, "ca.pem");
    authority.issue(&files, "store", Wanted::names(&["localhost"]));
    authority.issue(&files, "machine", Wanted::names(&["machine"]));
    Authority::root("others").write(&files, "others.pem");
    files.replace("secret", crate::common::ticket_secret(3_600).as_bytes());
    let [store, key, ca] = ["store.pem", "store.key", "ca.pem"].map(|name| files.text(name));
    if !RedisServer::is_installed("a terminator that shares sessions over TLS") {
        return;
    }
    let server = RedisServer::prepared(|_, port| {
        let words = format!(
            "--port 0 --tls-port {port} --tls-cert-file {store} --tls-key-file {key} \
             --tls-ca-cert-file {ca}"
        );
        words.split_whitespace().map(str::to_owned).collect()
    });
    let start = |ca: &str, more: &str| {
        let words = format!(
            "--threads 1 --tickets off --fleet rediss://localhost:{} --fleet-secret {} \
             --fleet-ca {} {more}",
            server.port(),
            files.text("secret"),
            files.text(ca)
        );
        Terminator::demo(&words)
    };
    let (certificate, key) = (files.text("machine.pem"), files.text("machine.key"));
    let identity = format!("--fleet-cert {certificate} --fleet-key {key}");
    let [a, b] = [(); 2].map(|()| start("ca.pem", &identity));
    reach_the_store(&[&a, &b]);
    let client = Visitor::new("-tls1_3");
    client.visit(a.address).expect_reused([false]);
    all_have(&[&b], 2);
    client.come_back(b.address).expect_reused([true]);
    // Another authority's store, and a machine that shows no certificate.
    for (ca, more) in [("others.pem", &*identity), ("ca.pem", "")] {
        let machine = start(ca, more);
        machine.wait_for_log("the fleet's store is away");
        assert_eq!(machine.metric(STORE_UP), 0);
    }
}
