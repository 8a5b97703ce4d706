//! Files, command lines, and what becomes of them together.

use std::fs;
use std::path::Path;

use clap::{Args, Command};
use tempfile::TempDir;

use super::*;
use crate::cli::address::Address;
use crate::cli::upstream_address::UpstreamAddress;
use crate::cli::words::ProxyProtocolIn;

/// A value of every flag, as the file has it.
const EXAMPLES: &[(&str, &str)] = &[
    ("demo", "true"),
    ("listen", r#"["127.0.0.1:443", "[::1]:443"]"#),
    ("backlog", "128"),
    ("proxy-protocol-in", r#""any""#),
    ("upstream", r#"["app.example:80", "unix:app.sock"]"#),
    ("proxy-protocol-out", r#""v2""#),
    ("cert", r#"["a.pem", "b.pem"]"#),
    ("key", r#""a.key""#),
    ("sessions", "1_000"),
    ("session-storage", r#""encoded""#),
    ("session-timeout", "0xff"),
    ("tickets", "false"),
    ("ticket-keys", r#""keys""#),
    ("ticket-keys-format", r#""haproxy-48""#),
    ("ticket-keys-order", r#""first""#),
    ("ticket-secret", r#""secret""#),
    ("ticket-key-period", "1800"),
    ("ticket-key-max-age", "90000"),
    ("ticket-key-permissions", r#""refuse""#),
    ("fleet", r#""rediss://user:password@store.example:6379""#),
    ("fleet-secret", r#""fleet.secret""#),
    ("fleet-sharing", r#""both""#),
    ("fleet-ca", r#""store.pem""#),
    ("fleet-cert", r#""fleet.pem""#),
    ("fleet-key", r#""fleet.key""#),
    ("full-handshake-max-age", "86400"),
    ("session-id-context", r#""hex:00ff""#),
    ("unknown-names", r#""refuse""#),
    ("alpn", r#"["h2", "http/1.1"]"#),
    ("client-ca", r#""ca.pem""#),
    ("crl", r#""crl.pem""#),
    ("client-auth", r#""optional""#),
    ("groups", r#""secp384r1""#),
    ("ciphers", r#""ECDHE+AES256""#),
    ("cipher-suites", r#""TLS_AES_256_GCM_SHA384""#),
    ("tickets-per-handshake", "4"),
    ("early-data", "16384"),
    ("admin", r#""127.0.0.1:9443""#),
    ("handover", r#""handover.sock""#),
    ("log", r#""json""#),
    ("admin-host", r#"["admin.example", "other.example"]"#),
    ("admin-write", r#""admin.token""#),
    ("threads", "2"),
    ("handshake-timeout", "5"),
    ("connect-timeout", "5"),
    ("idle-timeout", "60"),
    ("half-close-timeout", "5"),
    ("max-connections", "100"),
    ("drain-timeout", "0"),
];

/// A folder with a file of settings.
struct Site(TempDir);

impl Site {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("site.toml"), text).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("site.toml")
    }

    /// With a command line of these words.
    fn configuration(&self, words: &str) -> Configuration {
        let command = Settings::augment_args(Command::new("x").no_binary_name(true));
        let file = self.file().into_os_string();
        let words = words.split_whitespace().map(Into::into);
        let all = words.chain(["--config".into(), file]);
        Configuration::new(&command.get_matches_from(all))
    }

    /// The faults, each without the folder.
    fn faults(&self, words: &str) -> Vec<String> {
        let faults = self.configuration(words).examine().1;
        let text = ConfigurationError::of(faults)
            .err()
            .map(|error| error.to_string());
        let folder = format!("{}/", self.0.path().display());
        let text = text.unwrap_or_default().replace(&folder, "");
        text.lines().map(str::to_owned).collect()
    }
}

#[track_caller]
fn has_faults(text: &str, expected: &[&str]) {
    assert_eq!(Site::new(text).faults(""), expected, "{text}");
}

#[test]
fn every_flag_can_be_given_in_the_file() {
    let command = Settings::augment_args(Command::new("x"));
    for arg in command.get_arguments().filter(|arg| arg.get_id() != CONFIG) {
        let flag = arg.get_long().expect("each has a long name");
        let example = EXAMPLES.iter().find(|(name, _)| *name == flag);
        let (_, value) = example.unwrap_or_else(|| panic!("no example of {flag}"));
        let site = Site::new(&format!("\n{flag} = {value}\n"));
        let (settings, faults) = site.configuration("").examine();
        let of_value = faults
            .iter()
            .find(|fault| !matches!(fault.reason, Reason::Rule(_)));
        assert!(of_value.is_none(), "{flag}: {}", of_value.unwrap());
        let origin = Origin::File(site.file().as_path().into(), Some(2));
        assert_eq!(settings.given.origin(flag, 0), origin, "{flag}");
    }
}

#[test]
fn a_file_gives_what_the_command_line_would() {
    let site = Site::new(
        "listen = ['127.0.0.1:443', '[::1]:443']\nupstream = 'unix:/run/app'\n\
         alpn = 'h2,http/1.1'\nsession-timeout = 600\nproxy-protocol-in = 'any'\ntickets = false\n\
         [[certificate]]\ncert = '/a.pem'\nkey = '/a.key'\n\
         [[certificate]]\nkey = '/b.key'\ncert = '/b.pem'\n",
    );
    let (settings, _) = site.configuration("").read().unwrap();
    let listen: Vec<_> = settings.listen().iter().map(Address::as_str).collect();
    assert_eq!(listen, ["127.0.0.1:443", "[::1]:443"]);
    let proxy = settings.proxy().unwrap();
    assert_eq!(proxy.upstreams, [UpstreamAddress::Unix("/run/app".into())]);
    let pairs = proxy.identities.iter();
    let pairs: Vec<_> = pairs
        .map(|files| (&*files.certificate, &*files.key))
        .collect();
    let path = Path::new;
    assert_eq!(
        pairs,
        [
            (path("/a.pem"), path("/a.key")),
            (path("/b.pem"), path("/b.key"))
        ]
    );
    let alpn: Vec<_> = settings.tls.alpn.iter().map(|name| name.as_str()).collect();
    assert_eq!(alpn, ["h2", "http/1.1"]);
    assert_eq!(settings.session_timeout.as_secs(), 600);
    assert!(settings.proxy_protocol_in == ProxyProtocolIn::Any && !settings.stateless_tickets);
}

#[test]
fn a_flag_takes_the_place_of_the_key_and_of_all_its_values() {
    let site = Site::new("demo = true\nlisten = ['127.0.0.1:1', '127.0.0.1:2']\nsessions = 7\n");
    let words = "--listen 127.0.0.1:3 --proxy-protocol-in any --alpn http/1.1";
    let (settings, _) = site.configuration(words).read().unwrap();
    let listen: Vec<_> = settings.listen().iter().map(Address::as_str).collect();
    assert_eq!(listen, ["127.0.0.1:3"]);
    assert_eq!(settings.sessions, 7);
    assert_eq!(settings.proxy_protocol_in, ProxyProtocolIn::Any);
    assert_eq!(settings.tls.alpn.len(), 1);
    // What clap takes for the default must not count as given.
    let words = "--sessions 100000";
    assert_eq!(
        site.configuration(words).read().unwrap().0.sessions,
        100_000
    );
}

#[test]
fn a_relative_path_is_taken_from_the_folder_of_its_file() {
    let site = Site::new("ticket-keys = 'keys'\nupstream = 'unix:s'\nkey = 'k'\n");
    let (settings, _) = site.configuration("--key here.pem").examine();
    let folder = site.0.path();
    let keys = settings.given.texts("ticket-keys").next().unwrap();
    assert_eq!(Path::new(keys), folder.join("keys"));
    assert_eq!(settings.upstream, [UpstreamAddress::Unix(folder.join("s"))]);
    assert_eq!(settings.key, [Path::new("here.pem")]);
}

#[test]
fn each_fault_of_a_key_is_told_with_its_line() {
    for (line, fault) in [
        ("backlog = 0", "backlog: 0 is not in 1..=65535"),
        (
            "backlog = 99999999999999999999999999",
            "backlog: number too large to fit in target type",
        ),
        ("backlog = '1'", "backlog: expected a number, found string"),
        ("backlog = 1.5", "backlog: expected a number, found float"),
        ("backlog = [1]", "backlog: expected a number, found array"),
        (
            "groups = ['X25519']",
            "groups: expected a string, found array",
        ),
        ("tickets = 1", "tickets: expected on or off, found integer"),
        ("tickets = 'yes'", "tickets: `yes` is none of: on, off"),
        ("alpn = []", "alpn: an empty list: leave the key out"),
        ("alpn = [['h2']]", "alpn: expected a string, found array"),
        ("listen = 443", "listen: expected a string, found integer"),
        (
            "listen = 'a b:1'",
            "listen: expected HOST:PORT, without spaces",
        ),
        (
            r"ciphers = '''a\u0000'''",
            "ciphers: `a\\u0000` selects no cipher",
        ),
        (r#"ciphers = "a\u0000""#, "ciphers: it holds a NUL byte"),
        (r#"client-ca = "\u0000""#, "client-ca: it holds a NUL byte"),
        ("client-ca = ''", "client-ca: it is empty"),
        (
            "session_timeout = 1",
            "session_timeout: there is no such key; session-timeout is one",
        ),
        ("zzz = 1", "zzz: there is no such key"),
        (r#""\u001b[1m" = 1"#, "\\u{1b}[1m: there is no such key"),
        ("tls.groups = 1", "tls: there is no such key"),
        ("help = true", "help: there is no such key"),
        ("config = 'x'", "config: a file cannot name another one"),
        (
            "certificate = 'a'",
            "certificate: expected tables, each below [[certificate]]",
        ),
        (
            "certificate = ['a']",
            "certificate: expected tables, each below [[certificate]]",
        ),
        (
            "certificate = [{ cert = 'a' }]",
            "certificate: it has no key",
        ),
        (
            "certificate = [{ cert = 1, key = 'a' }]",
            "cert: expected a string, found integer",
        ),
        (
            "certificate = [{ cert = 'a', key = 'b', alpn = 'h2' }]",
            "alpn: there is no such key in [[certificate]]: its place is above the first",
        ),
        ("sessions = 1\nsessions = 2", "duplicate key"),
        ("sessions = ", "string values must be quoted"),
    ] {
        let site = Site::new(&format!("demo = true\n\n{line}\n"));
        let faults = site.faults("");
        let number = 2 + line.lines().count();
        let place = format!("site.toml:{number}: {fault}");
        assert!(
            faults.iter().any(|f| f.starts_with(&place)),
            "{place}: {faults:?}"
        );
    }
    let faults = Site::new("demo = 'true'").faults("");
    let fault = "site.toml:1: demo: expected true or false, found string";
    assert!(faults.iter().any(|f| f.starts_with(fault)), "{faults:?}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once_in_the_order_of_the_file() {
    has_faults(
        "backlog = 0\nlisten = [\n  '127.0.0.1:1',\n  'x',\n]\ncrl = 'a'\n= 1\nzzz = 1\n\
         threads = 0\n",
        &[
            "site.toml:1: backlog: 0 is not in 1..=65535",
            "site.toml:4: listen: expected HOST:PORT",
            "site.toml:7: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`",
            "site.toml:8: zzz: there is no such key",
            "site.toml:9: threads: 0 is not in 1..=1024",
        ],
    );
    has_faults(
        "backlog = 0\ncrl = 'a'\n",
        &[
            "site.toml:1: backlog: 0 is not in 1..=65535",
            "site.toml:2: crl: it needs --client-ca",
            "site.toml: listen: it is missing (only --demo goes without)",
            "site.toml: upstream: it is missing (only --demo goes without)",
            "site.toml: cert: it is missing (only --demo goes without)",
            "site.toml: key: it is missing (only --demo goes without)",
        ],
    );
}

/// What could not be read is not missing.
#[test]
fn a_key_that_could_not_be_read_breaks_no_rule() {
    has_faults(
        "listen = 'a:1'\nupstream = 1\ncertificate = 1\n",
        &[
            "site.toml:2: upstream: expected a string, found integer",
            "site.toml:3: certificate: expected tables, each below [[certificate]], found integer",
        ],
    );
}

#[test]
fn a_file_with_no_end_of_faults_tells_the_first_hundred() {
    let faults = Site::new(&"zzz = 1\n".repeat(10_000)).faults("");
    assert_eq!(faults.len(), 101);
    assert!(
        faults[100].contains("only the first 100 errors"),
        "{}",
        faults[100]
    );
}

#[test]
fn rules_between_keys_are_told_with_a_line() {
    let proxy = "listen = 'a:1'\nupstream = 'b:1'\ncert = 'c'\nkey = 'k'\n";
    for (line, words, fault) in [
        (
            "client-auth = 'optional'",
            "",
            ":5: client-auth: it needs --client-ca",
        ),
        (
            "ticket-keys-format = 'haproxy-48'",
            "",
            ":5: ticket-keys-format: it needs --ticket-keys",
        ),
        (
            "early-data = 1",
            "",
            ":5: early-data: it needs --proxy-protocol-out v2: the upstream",
        ),
        (
            "early-data = 1",
            "--proxy-protocol-out v1",
            ":5: early-data: it needs --proxy-protocol-out v2",
        ),
        (
            "early-data = 1",
            "--proxy-protocol-out v2 --tickets-per-handshake 0",
            ":5: early-data: it needs --tickets-per-handshake 1 or more",
        ),
        (
            "demo = true",
            "",
            ":2: upstream: cannot be used with --demo",
        ),
        (
            "alpn = ['h2', 'x', 'h2']",
            "",
            ":5: alpn: h2 is there twice",
        ),
        // At the line of the key, if the flag at fault is on the command line or nowhere.
        (
            "ticket-secret = 's'",
            "--ticket-keys x",
            ":5: --ticket-keys: cannot be used with --ticket-secret",
        ),
        (
            "session-timeout = 604800",
            "--ticket-key-max-age 604800",
            ":5: --ticket-key-max-age: ",
        ),
        (
            "session-timeout = 604800",
            "--ticket-key-period 1",
            ":5: --ticket-key-period: ",
        ),
        (
            "session-timeout = 604800",
            "--ticket-key-max-age 86400",
            ":5: --ticket-key-max-age: ",
        ),
    ] {
        let faults = Site::new(&format!("{proxy}{line}\n")).faults(words);
        let place = format!("site.toml{fault}");
        assert!(
            faults.iter().any(|f| f.starts_with(&place)),
            "{place}: {faults:?}"
        );
    }
    let two = "listen = 'a:1'\nupstream = 'b:1'\ncert = [\n'c',\n'd']\nkey = 'k'\n";
    let counts = "as many --key as --cert are needed: 2 --cert, 1 --key";
    has_faults(two, &[&format!("site.toml:5: cert: {counts}")]);
    let twice = "demo = true\nlisten = [\n'a:1',\n'a:0',\n'a:0',\n'a:1',\n]\n";
    has_faults(twice, &["site.toml:6: listen: a:1 is there twice"]);
}

#[test]
fn the_demo_takes_what_needs_no_upstream() {
    let site = Site::new("demo = true\nproxy-protocol-in = 'any'\nalpn = 'http/1.1'\n");
    let (settings, _) = site.configuration("").read().unwrap();
    assert!(settings.proxy().is_none());
    assert_eq!(settings.listen()[0].as_str(), "127.0.0.1:8443");
    assert_eq!(settings.admin.unwrap().as_str(), "127.0.0.1:9443");
    for (line, fault) in [
        (
            "alpn = ['http/1.1', 'h2']",
            "alpn: --demo speaks http/1.1 only",
        ),
        (
            "proxy-protocol-out = 'v2'",
            "proxy-protocol-out: cannot be used with --demo",
        ),
        ("early-data = 1", "early-data: cannot be used with --demo"),
        (
            "[[certificate]]\ncert = 'a'\nkey = 'b'",
            "key: cannot be used with --demo",
        ),
    ] {
        let text = format!("demo = true\n{line}\n");
        let number = text.lines().count();
        let faults = Site::new(&text).faults("");
        assert_eq!(faults.last(), Some(&format!("site.toml:{number}: {fault}")));
    }
}

#[test]
fn a_reload_takes_the_file_as_it_is_now_under_the_same_flags() {
    let site = Site::new("demo = true\nidle-timeout = 5\nbacklog = 7\n");
    let configuration = site.configuration("--threads 2");
    let (old, _) = configuration.read().unwrap();
    let text = "demo = true\nidle-timeout = 6\nadmin = '127.0.0.1:0'\nthreads = 3\n\
                drain-timeout = 30\n";
    fs::write(site.file(), text).unwrap();
    let (new, _) = configuration.read().unwrap();
    assert_eq!(new.threads, Some(2), "the flag stands");
    let changes = crate::cli::changes(&old, &new);
    assert_eq!(changes.reloaded, ["idle-timeout"]);
    assert_eq!(changes.at_restart, ["admin", "backlog"]);
    fs::remove_file(site.file()).unwrap();
    let error = configuration.read().unwrap_err().to_string();
    assert!(error.contains("site.toml: No such file"), "{error}");
}

#[test]
fn the_password_of_the_fleets_store_is_in_no_debug_output() {
    let site = Site::new("demo = true\nfleet = 'redis://u:in-the-file@a'\nfleet-secret = 'x'\n");
    for words in ["", "--fleet redis://u:on-the-command-line@a"] {
        let configuration = site.configuration(words);
        let (settings, tickets) = configuration.read().unwrap();
        assert!(settings.fleet().unwrap().url.as_str().contains("@a"));
        let shown = format!(
            "{configuration:?} {settings:?} {tickets:?} {:?}",
            settings.fleet()
        );
        for password in ["in-the-file", "on-the-command-line"] {
            assert!(!shown.contains(password), "{shown}");
        }
    }
}
