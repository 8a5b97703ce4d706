//! `client_hello_session` names what OpenSSL is about to look up, and nothing else. What OpenSSL
//! looks up, the hook before each lookup tells.

use std::sync::mpsc::{Receiver, channel};

use openssl::ssl::{
    ClientHelloResponse, Ssl, SslContext, SslContextBuilder, SslOptions, SslStream, SslVersion,
};
use rekindle::SessionId;
use rekindle::hooks::SessionEvent;
use rekindle::openssl::{Resumption, client_hello_session};

use crate::common::{Client, Connection, Mechanism, Pipe, resumption, server_builder};

/// A server that tells what it is about to look up and what it does.
struct Server {
    resumption: Resumption,
    context: SslContext,
    named: Receiver<Option<SessionId>>,
    looked_up: Receiver<SessionId>,
}

/// What a server was asked in one connection: at each ClientHello, and at each lookup.
#[derive(Debug, PartialEq)]
struct Asked {
    named: Vec<Option<SessionId>>,
    looked_up: Vec<SessionId>,
}

impl Server {
    fn new(kind: Mechanism) -> Self {
        Self::configured(&resumption(kind), |_| ())
    }

    fn configured(resumption: &Resumption, configure: impl FnOnce(&mut SslContextBuilder)) -> Self {
        let mut builder = server_builder(b"tests");
        resumption.install(&mut builder).unwrap();
        configure(&mut builder);
        let (names, named) = channel();
        builder.set_client_hello_callback(move |ssl, _| {
            names.send(client_hello_session(ssl)).unwrap();
            Ok(ClientHelloResponse::SUCCESS)
        });
        let (looks, looked_up) = channel();
        resumption.hooks().add(move |event, id| {
            if event == SessionEvent::Get {
                // Of servers on one resumption, those of before have gone.
                let _ = looks.send(*id);
            }
        });
        Self {
            resumption: resumption.clone(),
            context: builder.build(),
            named,
            looked_up,
        }
    }

    fn asked(&self) -> Asked {
        Asked {
            named: self.named.try_iter().collect(),
            looked_up: self.looked_up.try_iter().collect(),
        }
    }

    /// A connection of this client; whether it resumed, and what was asked.
    fn shake_hands(&self, client: Ssl) -> (bool, Asked) {
        let server = Ssl::new(&self.context).unwrap();
        let connection = Connection::shake_hands(client, server).unwrap();
        // At any other time there is no ClientHello to read.
        assert_eq!(client_hello_session(connection.server.ssl()), None);
        (connection.resumed(), self.asked())
    }
}

/// It is named at the only ClientHello, and looked up.
fn one(id: SessionId) -> Asked {
    Asked {
        named: vec![Some(id)],
        looked_up: vec![id],
    }
}

/// None is.
fn none() -> Asked {
    Asked {
        named: vec![None],
        looked_up: Vec::new(),
    }
}

/// The only session in the cache, or the last of a TLS 1.3 client.
fn id_of(server: &Server, client: &Client) -> SessionId {
    let session = client.session();
    let cache = server.resumption.cache();
    let guard = cache.pin();
    let ids = guard.iter().map(|entry| *entry.id());
    // A client does not know the id of a stateful ticket's session; its own is of the ticket.
    let is_it = |id: &SessionId| {
        let bytes = session.to_der().unwrap();
        let mut parts = bytes.windows(id.as_bytes().len());
        parts.any(|part| part == id.as_bytes())
    };
    let mut ids: Vec<_> = ids.filter(is_it).collect();
    assert_eq!(ids.len(), 1);
    ids.pop().unwrap()
}

/// A client of a server of that kind, which has been there.
fn visited(kind: Mechanism) -> (Server, Client) {
    let server = Server::new(kind);
    let client = Client::new(kind);
    let (resumed, asked) = server.shake_hands(client.new_connection(None, None));
    assert!(!resumed);
    assert_eq!(asked, none(), "{kind:?}: a client without a session");
    if kind.version() == SslVersion::TLS1_2 {
        // Which keeps its session after a handshake of its own.
        client.connect(&server.context);
        server.asked();
    }
    (server, client)
}

#[test]
fn a_session_of_the_cache_is_named() {
    for kind in Mechanism::STATEFUL {
        let (server, client) = visited(kind);
        let id = id_of(&server, &client);
        let session = client.session();
        for name in [None, Some("a.test")] {
            let offers = client.new_connection(Some(&session), name);
            let (resumed, asked) = server.shake_hands(offers);
            assert_eq!(resumed, name.is_none(), "{kind:?}");
            assert_eq!(asked, one(id), "{kind:?}");
        }
        // Also if it is not there: that is what a program asks for.
        server.resumption.cache().clear();
        let offers = client.new_connection(Some(&session), None);
        let (resumed, asked) = server.shake_hands(offers);
        assert!(!resumed);
        assert_eq!(asked, one(id), "{kind:?}");
    }
}

#[test]
fn a_ticket_that_carries_its_session_names_none() {
    for kind in Mechanism::TICKETS {
        let (server, client) = visited(kind);
        let session = client.session();
        let offers = client.new_connection(Some(&session), None);
        let (resumed, asked) = server.shake_hands(offers);
        assert!(resumed, "{kind:?}");
        assert_eq!(asked, none(), "{kind:?}");
        // Nor one that does not open.
        let stranger = Server::new(kind);
        let offers = client.new_connection(Some(&session), None);
        let (resumed, asked) = stranger.shake_hands(offers);
        assert!(!resumed);
        assert_eq!(asked, none(), "{kind:?}");
    }
}

/// TLS 1.2: a server that takes no tickets looks up the id that a client shows beside its ticket.
#[test]
fn a_ticket_for_a_server_that_takes_none_leaves_the_id() {
    let (_, client) = visited(Mechanism::Tls12Ticket);
    let server = Server::new(Mechanism::Tls12Id);
    let session = client.session();
    let (resumed, asked) = server.shake_hands(client.new_connection(Some(&session), None));
    assert!(!resumed);
    assert_eq!(asked.looked_up.len(), 1);
    assert_eq!(asked, one(asked.looked_up[0]));
}

/// TLS 1.3: a server of stateless tickets takes a short one for a ticket that does not open.
#[test]
fn a_stateful_ticket_for_a_server_of_stateless_ones_names_none() {
    let (_, client) = visited(Mechanism::Tls13Stateful);
    let server = Server::new(Mechanism::Tls13Ticket);
    let session = client.session();
    let (resumed, asked) = server.shake_hands(client.new_connection(Some(&session), None));
    assert!(!resumed);
    assert_eq!(asked, none());
}

/// The version is the server's choice: what the client could speak does not matter.
#[test]
fn the_version_that_is_spoken_decides() {
    let kind = Mechanism::Tls12Id;
    type Configure = fn(&mut SslContextBuilder);
    let speaks_12: [Configure; 2] = [
        |builder| {
            let newest = Some(SslVersion::TLS1_2);
            builder.set_max_proto_version(newest).unwrap();
        },
        |builder| {
            builder.set_options(SslOptions::NO_TLSV1_3);
        },
    ];
    let offers = |client: &Client| {
        let session = client.session();
        let mut offers = client.new_connection(Some(&session), None);
        offers
            .set_max_proto_version(Some(SslVersion::TLS1_3))
            .unwrap();
        offers
    };
    for (number, configure) in speaks_12.into_iter().enumerate() {
        let resumption = resumption(kind);
        let server = Server::configured(&resumption, configure);
        let client = Client::new(kind);
        client.connect(&server.context);
        server.asked();
        let id = id_of(&server, &client);
        let (resumed, asked) = server.shake_hands(offers(&client));
        assert!(resumed, "{number}");
        assert_eq!(asked, one(id), "{number}");
    }
    // With a server that speaks TLS 1.3 the session is of no use.
    let (server, client) = visited(kind);
    let (resumed, asked) = server.shake_hands(offers(&client));
    assert!(!resumed);
    assert_eq!(asked, none());
    // A client of TLS 1.3 at a server of 1.2 shows a ticket of 1.3, and an id that is none.
    let (_, client) = visited(Mechanism::Tls13Stateful);
    let resumption = resumption(kind);
    let server = Server::configured(&resumption, speaks_12[0]);
    let session = client.session();
    let mut both = client.new_connection(Some(&session), None);
    both.set_min_proto_version(Some(SslVersion::TLS1_2))
        .unwrap();
    let (resumed, asked) = server.shake_hands(both);
    assert!(!resumed);
    assert_eq!(asked.looked_up.len(), 1, "the id that hides TLS 1.3");
    assert_eq!(asked, one(asked.looked_up[0]));
}

/// The client has guessed another group than the server's, and says all of it again.
#[test]
fn after_a_hello_retry_request_it_is_named_again() {
    let kind = Mechanism::Tls13Stateful;
    let resumption = resumption(kind);
    let configure = |builder: &mut SslContextBuilder| builder.set_groups_list("P-384").unwrap();
    let server = Server::configured(&resumption, configure);
    let client = Client::new(kind);
    client.connect(&server.context);
    let first = server.asked();
    assert_eq!((first.named, first.looked_up), (vec![None, None], vec![]));
    let (id, session) = (id_of(&server, &client), client.session());
    let (resumed, asked) = server.shake_hands(client.new_connection(Some(&session), None));
    assert!(resumed);
    assert_eq!(asked.named, [Some(id); 2]);
    assert!(!asked.looked_up.is_empty());
    assert!(asked.looked_up.iter().all(|looked_up| *looked_up == id));
}

/// Each byte of a ClientHello changed, as far as OpenSSL lets it through: what is looked up has
/// been named. What has been named is not looked up only where the client lacks what TLS 1.3 asks
/// for beside its ticket, or where OpenSSL ends the handshake.
#[test]
fn hostile_bytes_name_what_is_looked_up() {
    for kind in Mechanism::ALL {
        let (server, client) = visited(kind);
        let hello = client.hello(&client.session(), "a.test");
        deliver(&server, &hello);
        let (mut through, mut in_vain) = (0, 0);
        for place in 5..hello.len() {
            for change in [1, 0x20, 0x80, 0xff] {
                let mut changed = hello.clone();
                changed[place] ^= change;
                let is_answered = deliver(&server, &changed);
                let asked = server.asked();
                let named = asked.named.last().copied().flatten();
                let is_in_vain = is_answered && named.is_some() && asked.looked_up.is_empty();
                for looked_up in asked.looked_up {
                    assert_eq!(named, Some(looked_up), "{kind:?}, byte {place}");
                    through += 1;
                }
                in_vain += u32::from(is_in_vain);
            }
        }
        assert_eq!(through > 100, !kind.stateless(), "{kind:?}: {through}");
        let may_be_in_vain = kind == Mechanism::Tls13Stateful;
        assert_eq!(in_vain > 0, may_be_in_vain, "{kind:?}: {in_vain}");
    }
}

/// A ClientHello with other identities in its last extension (RFC 8446, section 4.2.11): those of
/// tickets, of any length and number, each with a binder that is wrong.
fn with_identities(hello: &[u8], identities: &[&[u8]]) -> Vec<u8> {
    let number = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    // Headers of record and message, version, random bytes.
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + number(at);
    at += 1 + usize::from(hello[at]);
    let extensions = at;
    at += 2;
    while number(at) != 41 {
        at += 4 + number(at + 2);
    }
    let short = |len: usize| u16::try_from(len).unwrap().to_be_bytes();
    let list = |items: Vec<Vec<u8>>| [&short(items.concat().len())[..], &items.concat()].concat();
    let identity = |id: &&[u8]| [&short(id.len())[..], id, &[0; 4]].concat();
    let body = [
        list(identities.iter().map(identity).collect()),
        list(vec![[&[48][..], &[7; 48]].concat(); identities.len()]),
    ];
    let body = body.concat();
    let mut changed = [&hello[..at + 2], &short(body.len()), &body].concat();
    let (all, len) = (changed.len(), short(changed.len() - extensions - 2));
    changed[extensions..extensions + 2].copy_from_slice(&len);
    changed[7..9].copy_from_slice(&short(all - 9));
    changed[3..5].copy_from_slice(&short(all - 5));
    changed
}

/// Of several identities the first one is named; OpenSSL goes on to the others if it is not there.
#[test]
fn identities_of_any_length_and_number() {
    let (server, client) = visited(Mechanism::Tls13Stateful);
    let (hello, id) = (
        client.hello(&client.session(), "a.test"),
        id_of(&server, &client),
    );
    let ask = |identities: &[&[u8]]| {
        server.asked();
        deliver(&server, &with_identities(&hello, identities));
        server.asked()
    };
    let long = vec![7; 2_000];
    let unknown = SessionId::new(&long[..32]).unwrap();
    assert_eq!(ask(&[unknown.as_bytes()]), one(unknown));
    let asked = ask(&[unknown.as_bytes(), id.as_bytes()]);
    assert_eq!(asked.named, [Some(unknown)]);
    assert_eq!(asked.looked_up, [unknown, id]);
    // Those of stateful tickets are all as long.
    for len in [1, 2, 31, 33, 64, 200, 2_000] {
        assert_eq!(ask(&[&long[..len]]), none(), "{len} bytes");
    }
    assert_eq!(ask(&[b""]).named, [None]);
    assert_eq!(ask(&[]).named, [None]);
    assert_eq!(ask(&[id.as_bytes()]).named, [Some(id)]);
    let many = vec![&[9; 32][..]; 150];
    assert_eq!(ask(&many).named, [SessionId::new(&[9; 32]).ok()]);
}

/// TLS 1.2: a session id of any length, which is at a place of its own.
#[test]
fn session_ids_of_any_length() {
    let (server, client) = visited(Mechanism::Tls12Id);
    let hello = client.hello(&client.session(), "a.test");
    let at = 5 + 4 + 2 + 32;
    assert_eq!(hello[at], 32);
    for len in [0, 1, 31, 32, 33, 255] {
        let (before, behind) = (&hello[..at], &hello[at + 33..]);
        let mut changed = [before, &[len], &vec![5; len.into()], behind].concat();
        let all = changed.len();
        let short = |len: usize| u16::try_from(len).unwrap().to_be_bytes();
        changed[7..9].copy_from_slice(&short(all - 9));
        changed[3..5].copy_from_slice(&short(all - 5));
        deliver(&server, &changed);
        let asked = server.asked();
        match len {
            0 => assert_eq!(asked, none()),
            1..=32 => {
                let id = SessionId::new(&vec![5; len.into()]).unwrap();
                assert_eq!(asked, one(id), "{len} bytes");
            }
            // OpenSSL refuses it before it asks.
            _ => assert_eq!((asked.named, asked.looked_up), (vec![], vec![])),
        }
    }
}

/// Delivers a ClientHello, and whether the server has answered with more than an alert.
fn deliver(server: &Server, hello: &[u8]) -> bool {
    let (near, far) = Pipe::pair();
    near.outgoing.borrow_mut().extend(hello);
    let mut stream = SslStream::new(Ssl::new(&server.context).unwrap(), far).unwrap();
    let _ = stream.accept();
    near.incoming.borrow().len() > 50
}
