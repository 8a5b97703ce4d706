//! A client comes back and is resumed, in each of the ways that TLS has.

use rekindle_test_servers::{Files, bounded, converse, s_client, s_client_get};

use crate::clients::{curl, gnutls_cli, has_gnutls_cli};
use crate::server::{Counters, Server};

/// A way to resume, and the arguments of the server and of each client.
struct Mechanism {
    name: &'static str,
    server: &'static str,
    s_client: &'static str,
    curl: &'static str,
    gnutls: &'static str,
    /// Whether the session stays in the server's cache, and not in the client's ticket.
    cached: bool,
}

const TLS12_BY_TICKET: Mechanism = Mechanism {
    name: "TLS 1.2 by ticket",
    server: "",
    s_client: "-tls1_2",
    curl: "--tls-max 1.2",
    gnutls: "--priority NORMAL:-VERS-ALL:+VERS-TLS1.2",
    cached: false,
};

const TLS13_BY_TICKET: Mechanism = Mechanism {
    name: "TLS 1.3 by stateless ticket",
    server: "",
    s_client: "-tls1_3",
    curl: "--tlsv1.3",
    gnutls: "--priority NORMAL:-VERS-ALL:+VERS-TLS1.3",
    cached: false,
};

const MECHANISMS: [Mechanism; 5] = [
    Mechanism {
        name: "TLS 1.2 by id, since the server gives no tickets",
        server: "-n",
        cached: true,
        ..TLS12_BY_TICKET
    },
    Mechanism {
        name: "TLS 1.2 by id, since the client takes no tickets",
        s_client: "-tls1_2 -no_ticket",
        gnutls: "--priority NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_TICKETS",
        cached: true,
        ..TLS12_BY_TICKET
    },
    TLS12_BY_TICKET,
    TLS13_BY_TICKET,
    Mechanism {
        name: "TLS 1.3 by stateful ticket",
        server: "-n",
        cached: true,
        ..TLS13_BY_TICKET
    },
];

impl Mechanism {
    fn server(&self, arguments: &str) -> Server {
        eprintln!("{}", self.name); // Only shown if the test fails.
        Server::start(&format!("{} {arguments}", self.server))
    }

    /// For clients that come back as soon as their handshake is done. OpenSSL stores a session of
    /// TLS 1.2 after it has sent its last message: another thread may be faster.
    fn server_with_one_thread(&self) -> Server {
        self.server("-j 1")
    }

    fn is_tls13(&self) -> bool {
        self.curl == TLS13_BY_TICKET.curl
    }

    /// This many handshakes were resumed, and each in this way.
    #[track_caller]
    fn check(&self, counters: &Counters, resumed: u64) {
        let (hits, opened) = (counters.get("hits"), counters.get("tickets_opened"));
        let expected = if self.cached {
            (resumed, 0)
        } else {
            (0, resumed)
        };
        assert_eq!((hits, opened), expected, "{counters:?}");
        assert_eq!(counters.get("misses"), 0, "{counters:?}");
        let (inserts, sealed) = (counters.get("inserts"), counters.get("tickets_sealed"));
        assert_eq!(
            (inserts > 0, sealed > 0),
            (self.cached, !self.cached),
            "{counters:?}"
        );
    }
}

#[test]
fn s_client_in_one_process() {
    // In TLS 1.3 the client ends before it has its ticket.
    for way in MECHANISMS.iter().filter(|way| !way.is_tls13()) {
        let server = way.server_with_one_thread();
        let printed = s_client(server.address, &format!("{} -reconnect", way.s_client));
        let expected = [false, true, true, true, true, true];
        assert_eq!(printed.reused(), expected, "{printed:?}");
        if way.cached {
            let ids = printed.session_ids();
            assert_eq!(ids, [ids[0]; 6]);
        }
        way.check(&server.counters(), 5);
    }
}

#[test]
fn s_client_in_three_processes() {
    for way in &MECHANISMS {
        let (server, files) = (way.server(""), Files::new());
        let (first, second) = (files.text("first"), files.text("second"));
        let visit = |session: &str, expected: bool| {
            let printed = s_client_get(server.address, &format!("{} {session}", way.s_client));
            assert_eq!(printed.reused(), [expected], "{printed:?}");
            let page = if expected { "yes" } else { "no" };
            assert_eq!(printed.pages("resumed"), [page], "{printed:?}");
        };
        visit(&format!("-sess_out {first}"), false);
        visit(&format!("-sess_in {first} -sess_out {second}"), true);
        // In TLS 1.3 each connection brings tickets; in TLS 1.2 the first session stays good.
        let last = if way.is_tls13() { &second } else { &first };
        visit(&format!("-sess_in {last}"), true);
        way.check(&server.counters(), 2);
        // A client without a session is new to the same server.
        visit("", false);
        way.check(&server.counters(), 2);
    }
}

#[test]
fn curl_in_one_process() {
    for way in &MECHANISMS {
        let server = way.server("");
        let printed = curl(&server, way.curl, 3);
        assert_eq!(
            printed.pages("resumed"),
            ["no", "yes", "yes"],
            "{printed:?}"
        );
        let protocol = if way.is_tls13() { "TLSv1.3" } else { "TLSv1.2" };
        assert_eq!(printed.pages("protocol"), [protocol; 3], "{printed:?}");
        // Whether curl asks for tickets in TLS 1.2 depends on its version.
        if way.is_tls13() || way.server == "-n" {
            way.check(&server.counters(), 2);
        }
        assert_eq!(curl(&server, way.curl, 1).pages("resumed"), ["no"]);
    }
}

#[test]
fn gnutls_cli_in_one_process() {
    const RESUMED: &str = "*** This is a resumed session";
    for way in MECHANISMS.iter().filter(|_| has_gnutls_cli()) {
        let server = way.server_with_one_thread();
        let printed = gnutls_cli(
            &server,
            &format!("{} --resume --waitresumption", way.gnutls),
        );
        assert_eq!(printed.0.matches(RESUMED).count(), 1, "{printed:?}");
        assert_eq!(printed.pages("resumed"), ["yes"], "{printed:?}");
        way.check(&server.counters(), 1);

        let printed = gnutls_cli(&server, way.gnutls);
        assert!(!printed.0.contains(RESUMED), "{printed:?}");
        assert_eq!(printed.pages("resumed"), ["no"], "{printed:?}");
    }
}

#[test]
fn the_hook_tells_what_becomes_of_a_session() {
    let server = Server::start("-n -v -j 1");
    let printed = s_client(server.address, "-tls1_2 -reconnect");
    let id = printed.session_ids()[0].to_lowercase();
    let (_, said) = server.stop();
    let events = |event: &str| said.matches(&format!("session {id} {event}")).count();
    assert_eq!((events("stored"), events("asked for")), (1, 5), "{said}");
    assert_eq!(said.matches("TLSv1.2, new").count(), 1, "{said}");
    assert_eq!(said.matches("TLSv1.2, resumed").count(), 5, "{said}");
}

#[test]
fn early_data_is_the_beginning_of_the_request() {
    for kind in ["", "-n"] {
        let server = Server::start(&format!("--early-data 16000 {kind}"));
        let files = Files::new();
        files.replace("request", b"GET / HTTP/1.0\r\n\r\n");
        let (session, request) = (files.text("session"), files.text("request"));
        let visit = |words: &str| {
            let client = format!(
                "openssl s_client -connect {} -ign_eof {words}",
                server.address
            );
            converse(&mut bounded(&client), b"GET / HTTP/1.0\r\n\r\n").0
        };
        let first = visit(&format!("-sess_out {session}"));
        assert!(first.contains("early data: no"), "{kind}: {first}");
        let again = visit(&format!("-sess_in {session} -early_data {request}"));
        assert!(again.contains("resumed: yes"), "{kind}: {again}");
        assert!(again.contains("early data: yes"), "{kind}: {again}");
    }
}
