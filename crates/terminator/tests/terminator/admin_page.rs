//! What the admin address answers besides numbers: for which hosts, with which fields, and that it
//! changes nothing without the token. What the page looks like, `tests/page` sees in a browser.

use std::io::{Read, Write};
use std::net::TcpStream;

use rekindle_test_servers::{Files, Visitor};

use crate::common::ran::run;
use crate::common::{Terminator, connect, ticket_secret};

const TOKEN: &str = "0123456789abcdef";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A file with [`TOKEN`], as a word of the command line.
fn token(files: &Files) -> String {
    files.replace("token", format!("{TOKEN}\n").as_bytes());
    format!("--admin-write {}", files.text("token"))
}

/// Sends bytes, and takes all that comes until the terminator closes the connection.
fn exchange(terminator: &Terminator, request: &str) -> String {
    let mut tcp = connect(terminator.admin);
    tcp.write_all(request.as_bytes()).expect("sent");
    rest(&mut tcp)
}

fn rest(tcp: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // Behind an answer to a request that was not read there may be a reset.
    let _ = tcp.read_to_end(&mut answer);
    String::from_utf8(answer).expect("text")
}

fn status(answer: &str) -> u32 {
    let status = answer
        .strip_prefix("HTTP/1.1 ")
        .or(answer.strip_prefix("HTTP/1.0 "));
    let status = status.and_then(|status| status.get(..3)?.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

fn ask(terminator: &Terminator, method: &str, path: &str, fields: &str, body: &str) -> String {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(terminator, &request)
}

#[test]
fn the_page_and_its_files_come_with_a_strict_policy() {
    let terminator = Terminator::demo("");
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/healthz", "text/plain; charset=utf-8"),
        ("/elsewhere", "text/plain; charset=utf-8"),
    ] {
        let answer = ask(&terminator, "GET", path, "", "");
        let head = answer
            .split("\r\n\r\n")
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        for field in [
            &format!("content-type: {kind}"),
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
            "content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'; \
             connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'",
        ] {
            assert!(
                head.lines().any(|line| line == field),
                "{path}: {field}: {head}"
            );
        }
        assert!(
            !head.contains("set-cookie") && !head.contains("access-control"),
            "{head}"
        );
        let bodyless = ask(&terminator, "HEAD", path, "", "");
        assert!(bodyless.ends_with("\r\n\r\n"), "{bodyless}");
    }
    let page = ask(&terminator, "GET", "/", "", "");
    // What the policy forbids is not there, and nothing is fetched from elsewhere.
    for forbidden in [
        " style=",
        "<style",
        "javascript:",
        "src=\"http",
        "href=\"http",
        "//",
    ] {
        let body = page.split_once("\r\n\r\n").expect("a body").1;
        assert!(!body.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn methods_that_make_no_sense_are_refused() {
    let terminator = Terminator::demo("");
    for (path, wrong, allow) in [
        ("/", "POST", "GET, HEAD"),
        ("/page.css", "PUT", "GET, HEAD"),
        ("/metrics", "DELETE", "GET, HEAD"),
        ("/healthz", "OPTIONS", "GET, HEAD"),
        ("/revoke", "GET", "POST"),
        ("/rotate", "HEAD", "POST"),
        ("/rotate", "TRACE", "POST"),
    ] {
        let answer = ask(&terminator, wrong, path, "", "");
        assert_eq!(status(&answer), 405, "{wrong} {path}");
        assert!(answer.contains(&format!("allow: {allow}\r\n")), "{answer}");
    }
}

#[test]
fn requests_for_other_hosts_are_refused() {
    let terminator = Terminator::demo("--admin-host admin.example --admin-host Other.example");
    let ask = |path: &str, host: &str| {
        let request = format!("GET {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        exchange(&terminator, &request)
    };
    for (host, expected) in [
        ("Host: localhost:9443\r\n", 200),
        ("Host: 127.0.0.1\r\n", 200),
        ("Host: [::1]:9443\r\n", 200),
        ("Host: admin.example:1\r\n", 200),
        ("host: other.EXAMPLE\r\n", 200),
        ("Host: evil.example\r\n", 421),
        ("Host: evil.example:9443\r\n", 421),
        ("Host: localhost.evil.example\r\n", 421),
        ("", 400),
        ("Host:\r\n", 400),
        ("Host: localhost\r\nHost: evil.example\r\n", 400),
    ] {
        for path in ["/", "/metrics", "/page.js", "/elsewhere"] {
            let expected = match (path, expected) {
                ("/elsewhere", 200) => 404,
                _ => expected,
            };
            let answer = ask(path, host);
            assert_eq!(status(&answer), expected, "{path} {host:?}: {answer}");
            let is_told = answer.contains("--admin-host NAME");
            assert_eq!(is_told, expected == 421, "{answer}");
        }
        // A load balancer sends what it likes.
        assert_eq!(status(&ask("/healthz", host)), 200, "{host:?}");
    }
    // The target counts as well as the field.
    let request = "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\
                   Connection: close\r\n\r\n";
    assert_eq!(status(&exchange(&terminator, request)), 421);
    let old = exchange(&terminator, "GET /metrics HTTP/1.0\r\n\r\n");
    assert_eq!(status(&old), 200, "HTTP/1.0 has no Host field");
}

#[test]
fn a_change_for_another_host_is_refused() {
    let files = Files::new();
    let terminator = Terminator::demo(&token(&files));
    let request = format!(
        "POST /revoke HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\
         Authorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(status(&exchange(&terminator, &request)), 421);
    assert_eq!(terminator.logged("all sessions are revoked"), 0);
}

#[test]
fn nothing_is_changed_without_the_token() {
    let files = Files::new();
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let closed = Terminator::demo("");
    let open = Terminator::demo(&token(&files));
    for path in ["/revoke", "/rotate"] {
        let answer = ask(&closed, "POST", path, &bearer(TOKEN), "");
        assert_eq!(status(&answer), 403, "{answer}");
        assert!(answer.contains("--admin-write FILE"), "{answer}");
        let form = |token: &str| format!("token={token}");
        for (fields, body, expected) in [
            (String::new(), String::new(), 401),
            (bearer(""), String::new(), 401),
            (bearer("0123456789abcdeF"), String::new(), 401),
            (bearer("0123456789abcdef0"), form(TOKEN), 401),
            (
                format!("Authorization: Basic {TOKEN}\r\n"),
                String::new(),
                401,
            ),
            (format!("Cookie: token={TOKEN}\r\n"), String::new(), 401),
            (String::new(), form(TOKEN), 401),
            ("Content-Type: text/plain\r\n".into(), form(TOKEN), 401),
            (FORM.into(), form("another-token-than-this"), 401),
            (FORM.into(), "x".repeat(4097), 413),
        ] {
            let answer = ask(&open, "POST", path, &fields, &body);
            assert_eq!(status(&answer), expected, "{fields:?} {body:?}: {answer}");
            let asks = answer.contains("www-authenticate: Bearer\r\n");
            assert_eq!(asks, expected == 401, "{answer}");
        }
        // The token in the address is none: addresses are logged by others.
        let query = ask(&open, "POST", &format!("{path}?token={TOKEN}"), "", "");
        assert_eq!(status(&query), 401);
    }
    assert_eq!(open.metric("rekindle_ticket_key_rotations_total"), 0);
    assert_eq!(open.logged("all sessions are revoked"), 0);
    assert_eq!(
        open.warned("was shown a wrong token"),
        1,
        "once in ten seconds"
    );
}

#[test]
fn ticket_keys_that_are_made_here_are_rotated() {
    let files = Files::new();
    let terminator = Terminator::demo(&token(&files));
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let client = Visitor::new("-tls1_3");
    client.visit(terminator.address);
    let answer = ask(&terminator, "POST", "/rotate", &bearer, "");
    assert_eq!(status(&answer), 200, "{answer}");
    let words: Vec<_> = answer.split_whitespace().collect();
    let at = words
        .iter()
        .position(|word| *word == "seals")
        .expect("it says which");
    let sealing = format!(
        r#"rekindle_ticket_key_age_seconds{{key="{}",position="sealing"}}"#,
        words[at - 1]
    );
    assert!(
        terminator.admin("/metrics").1.contains(&sealing),
        "{answer}"
    );
    assert_eq!(terminator.metric("rekindle_ticket_key_rotations_total"), 1);
    client.come_back(terminator.address).expect_reused([true]);
    let renewed = r#"rekindle_tickets_total{event="renewed"}"#;
    assert_eq!(terminator.metric(renewed), 1, "the old key opens");
    let answer = ask(
        &terminator,
        "POST",
        "/rotate",
        FORM,
        &format!("token={TOKEN}"),
    );
    assert_eq!(status(&answer), 200, "{answer}");
    assert_eq!(terminator.metric("rekindle_ticket_key_rotations_total"), 2);
}

#[test]
fn ticket_keys_of_a_secret_are_not_rotated_here() {
    let files = Files::new();
    files.replace("secret", ticket_secret(3600).as_bytes());
    let words = format!("{} --ticket-secret {}", token(&files), files.text("secret"));
    let terminator = Terminator::demo(&words);
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let answer = ask(&terminator, "POST", "/rotate", &bearer, "");
    assert_eq!(status(&answer), 409);
    assert!(answer.contains("rotate them there"), "{answer}");
    assert_eq!(terminator.metric("rekindle_ticket_key_rotations_total"), 0);
}

#[test]
fn the_token_is_read_again_at_sighup() {
    let files = Files::new();
    let terminator = Terminator::demo(&token(&files));
    let revoke = |token: &str| {
        let bearer = format!("Authorization: Bearer {token}\r\n");
        status(&ask(&terminator, "POST", "/revoke", &bearer, ""))
    };
    assert_eq!(revoke(TOKEN), 200);
    files.replace("token", b"short");
    terminator.reload("admin token reload failed");
    assert_eq!(revoke(TOKEN), 200, "what was in use stays in use");
    files.replace("token", b"fedcba9876543210");
    terminator.reload("admin token reload: updated");
    assert_eq!([revoke(TOKEN), revoke("fedcba9876543210")], [401, 200]);
    for (result, count) in [("failed", 1), ("updated", 1)] {
        let series = format!(r#"rekindle_reloads_total{{of="admin_token",result="{result}"}}"#);
        assert_eq!(terminator.metric(&series), count, "{result}");
    }
}

#[test]
fn a_file_without_a_token_is_an_error_at_the_start_and_of_the_check() {
    let files = Files::new();
    files.replace("token", b"too short");
    let token = files.text("token");
    for words in ["--demo", "check --demo"] {
        run(&format!(
            "{words} --listen 127.0.0.1:0 --admin 127.0.0.1:0 --admin-write {token}"
        ))
        .refused(1, &["--admin-write", &token, "16 to 1024 printable"]);
    }
}
