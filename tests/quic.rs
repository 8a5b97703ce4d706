//! QUIC, where OpenSSL has a server for it (3.5 and later): sessions resume as in TLS 1.3.
#![allow(unsafe_code)] // rust-openssl has no QUIC

mod common;

use std::ffi::{CStr, c_int, c_void};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{mem, thread};

use foreign_types_shared::ForeignType;
use libtest_mimic::{Arguments, Failed, Trial};
use openssl::ssl::{
    AlpnError, ClientHelloResponse, Ssl, SslContext, SslContextBuilder, SslSession,
    SslSessionCacheMode, SslVerifyMode, select_next_proto,
};
use openssl_sys::{self as sys, SSL, SSL_CTX, SSL_METHOD};
use rekindle::hooks::SessionEvent;
use rekindle::openssl::{Conflicts, ResumedBy, Resumption, client_hello_session};
use rekindle::tickets::TicketRing;
use rekindle::{ManualClock, SessionId};

/// What OpenSSL 3.5 has and 3.0 lacks: looked up, so that this links with both.
struct Quic {
    server_method: unsafe extern "C" fn() -> *const SSL_METHOD,
    client_method: unsafe extern "C" fn() -> *const SSL_METHOD,
    new_listener: unsafe extern "C" fn(*mut SSL_CTX, u64) -> *mut SSL,
    accept_connection: unsafe extern "C" fn(*mut SSL, u64) -> *mut SSL,
    set_peer: unsafe extern "C" fn(*mut SSL, *const c_void) -> c_int,
    handle_events: unsafe extern "C" fn(*mut SSL) -> c_int,
}

unsafe extern "C" {
    fn SSL_set_fd(ssl: *mut SSL, fd: c_int) -> c_int;
    fn BIO_ADDR_new() -> *mut c_void;
    fn BIO_ADDR_free(address: *mut c_void);
    fn BIO_ADDR_rawmake(
        address: *mut c_void,
        family: c_int,
        host: *const c_void,
        len: usize,
        port: u16,
    ) -> c_int;
}

/// A function of that name and type.
///
/// # Safety
///
/// `F` is a pointer to a function, of the type that OpenSSL declares.
unsafe fn function<F: Copy>(name: &CStr) -> Option<F> {
    assert_eq!(size_of::<F>(), size_of::<*mut c_void>());
    // SAFETY: a name that ends in zero; the pointer is one to a function, by contract.
    unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        (!found.is_null()).then(|| mem::transmute_copy(&found))
    }
}

impl Quic {
    fn find() -> Option<Self> {
        // SAFETY: declared like this in <openssl/quic.h> and <openssl/ssl.h> of OpenSSL 3.5.
        unsafe {
            Some(Self {
                server_method: function(c"OSSL_QUIC_server_method")?,
                client_method: function(c"OSSL_QUIC_client_method")?,
                new_listener: function(c"SSL_new_listener")?,
                accept_connection: function(c"SSL_accept_connection")?,
                set_peer: function(c"SSL_set1_initial_peer_addr")?,
                handle_events: function(c"SSL_handle_events")?,
            })
        }
    }
}

fn write(connection: &Ssl) {
    // SAFETY: a live connection, one byte.
    let written = unsafe { sys::SSL_write(connection.as_ptr(), c"!".as_ptr().cast(), 1) };
    assert_eq!(written, 1);
}

fn read(connection: &Ssl) {
    let mut byte = 0_u8;
    // SAFETY: as above.
    let read = unsafe { sys::SSL_read(connection.as_ptr(), (&raw mut byte).cast(), 1) };
    assert_eq!((read, byte), (1, b'!'));
}

/// Ends it for both sides. Without, OpenSSL takes it for failed, and its session with it.
fn close(connection: &Ssl) {
    // SAFETY: a live connection.
    while unsafe { sys::SSL_shutdown(connection.as_ptr()) } == 0 {}
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    // OpenSSL waits by itself.
    socket.set_nonblocking(true).expect("a socket");
    socket
}

fn context(method: *const SSL_METHOD) -> SslContextBuilder {
    // SAFETY: a method of OpenSSL's; the new context is the builder's.
    unsafe { SslContextBuilder::from_ptr(sys::SSL_CTX_new(method)) }
}

fn server(quic: &Quic, resumption: &Resumption, named: &Named) -> SslContext {
    // SAFETY: no preconditions.
    let mut builder = context(unsafe { (quic.server_method)() });
    let names = Arc::clone(named);
    builder.set_client_hello_callback(move |ssl, _| {
        names.lock().unwrap().extend(client_hello_session(ssl));
        Ok(ClientHelloResponse::SUCCESS)
    });
    common::make_server(&mut builder, b"tests");
    builder.set_alpn_select_callback(|_, offered| {
        select_next_proto(b"\x02h3", offered).ok_or(AlpnError::NOACK)
    });
    resumption
        .install(&mut builder)
        .expect("nothing is in the way");
    builder.build()
}

/// The sessions that ClientHellos have named.
#[allow(clippy::disallowed_types)] // not library code
type Named = Arc<std::sync::Mutex<Vec<SessionId>>>;

/// How five connections resumed, each with the session that the one before gave. Time passes before
/// each.
fn visits(
    quic: &Quic,
    resumption: &Resumption,
    closes: bool,
    pass: impl Fn(),
) -> [Option<ResumedBy>; 5] {
    let (named, (looks, looked_up)) = (Named::default(), mpsc::channel());
    resumption.hooks().add(move |event, id| {
        if event == SessionEvent::Get {
            // Of a server of before, there is none to tell.
            let _ = looks.send(*id);
        }
    });
    let (server, ours, theirs) = (server(quic, resumption, &named), socket(), socket());
    let port = ours.local_addr().expect("bound").port();
    // SAFETY: a live context and socket.
    let listener = unsafe {
        let listener = (quic.new_listener)(server.as_ptr(), 0);
        assert!(!listener.is_null() && SSL_set_fd(listener, ours.as_raw_fd()) == 1);
        Ssl::from_ptr(listener)
    };
    // SAFETY: no preconditions.
    let mut builder = context(unsafe { (quic.client_method)() });
    builder.set_verify(SslVerifyMode::NONE);
    builder.set_alpn_protos(b"\x02h3").expect("well-formed");
    builder.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
    let (give, given) = mpsc::channel();
    builder.set_new_session_callback(move |_, session| give.send(session).expect("a listener"));
    let client = builder.build();
    let mut session = None;
    let resumed_by = [(); 5].map(|()| {
        pass();
        visit(
            quic,
            (&listener, &client, &theirs, port, closes),
            &mut session,
            &given,
        )
    });
    let looked_up: Vec<_> = looked_up.try_iter().collect();
    assert_eq!(*named.lock().unwrap(), looked_up);
    resumed_by
}

fn visit(
    quic: &Quic,
    (listener, client, socket, port, closes): (&Ssl, &SslContext, &UdpSocket, u16, bool),
    session: &mut Option<SslSession>,
    given: &mpsc::Receiver<SslSession>,
) -> Option<ResumedBy> {
    let address = listener.as_ptr() as usize;
    let accept = quic.accept_connection;
    thread::scope(|scope| {
        let serve = scope.spawn(move || {
            // SAFETY: the listener outlives this thread, and no other one uses it.
            let connection = unsafe {
                let connection = accept(address as *mut SSL, 0);
                assert!(!connection.is_null());
                Ssl::from_ptr(connection)
            };
            read(&connection);
            write(&connection);
            read(&connection);
            let resumed_by = Resumption::resumed_by(&connection);
            assert_eq!(connection.session_reused(), resumed_by.is_some());
            if closes {
                close(&connection);
            }
            resumed_by
        });
        // SAFETY: live objects; an address of four bytes in network order.
        let connection = unsafe {
            let connection = Ssl::new(client).expect("a connection");
            assert_eq!(SSL_set_fd(connection.as_ptr(), socket.as_raw_fd()), 1);
            let (peer, host) = (BIO_ADDR_new(), [127_u8, 0, 0, 1]);
            let made = BIO_ADDR_rawmake(peer, libc::AF_INET, host.as_ptr().cast(), 4, port.to_be());
            assert_eq!((made, (quic.set_peer)(connection.as_ptr(), peer)), (1, 1));
            BIO_ADDR_free(peer);
            if let Some(session) = session.take() {
                // A copy: OpenSSL marks one of a connection that ends as used up.
                let copy = SslSession::from_der(&session.to_der().expect("DER")).expect("DER");
                assert_eq!(sys::SSL_set_session(connection.as_ptr(), copy.as_ptr()), 1);
            }
            assert_eq!(sys::SSL_connect(connection.as_ptr()), 1);
            connection
        };
        write(&connection);
        read(&connection);
        *session = Some(loop {
            // The last of two: each is for a single use.
            match given.try_iter().last() {
                Some(session) => break session,
                // SAFETY: a live connection.
                None => assert_eq!(unsafe { (quic.handle_events)(connection.as_ptr()) }, 1),
            }
        });
        write(&connection);
        if closes {
            close(&connection);
        }
        serve.join().expect("the server")
    })
}

fn tickets_resume(quic: &Quic) -> Result<(), Failed> {
    for (stateless, how) in [
        (true, ResumedBy::Ticket),
        (false, ResumedBy::StatefulTicket),
    ] {
        let resumption = Resumption::builder().stateless_tickets(stateless).build()?;
        let found = visits(quic, &resumption, true, || ());
        let stats = resumption.ticket_stats();
        assert_eq!(
            found,
            [None, Some(how), Some(how), Some(how), Some(how)],
            "{stats:?}"
        );
        // As in TLS 1.3: two for the full handshake, a fresh one for each resumption.
        let sealed = if stateless { 6 } else { 0 };
        assert_eq!(
            (stats.sealed, stats.opened),
            (sealed, if stateless { 4 } else { 0 })
        );
        let cached = resumption.cache().stats();
        // Which `visits` has compared with what ClientHellos had named.
        assert_eq!(cached.hits + stats.opened, 4);
        assert_eq!(cached.inserts, if stateless { 0 } else { 6 });
        assert_eq!(resumption.conflicts(), Conflicts::default());
    }
    Ok(())
}

/// As where a server frees an idle connection.
fn sessions_outlive_connections_that_just_end(quic: &Quic) -> Result<(), Failed> {
    for (keep, how) in [(false, None), (true, Some(ResumedBy::StatefulTicket))] {
        let builder = Resumption::builder().stateless_tickets(false);
        let resumption = builder.keep_sessions(keep).build()?;
        let found = visits(quic, &resumption, false, || ());
        assert_eq!(found, [None, how, how, how, how], "{keep}");
    }
    Ok(())
}

/// It would go on for ever with a fresh ticket each time.
fn a_lineage_ends(quic: &Quic) -> Result<(), Failed> {
    let clock = Arc::new(ManualClock::new());
    let ring = TicketRing::builder()
        .clock(clock.clone())
        .own_keys()
        .build()?;
    let resumption = Resumption::builder().ticket_ring(Arc::new(ring));
    let limited = resumption.full_handshake_max_age(Duration::from_secs(10));
    let resumption = limited.build()?;
    let pass = || clock.advance(Duration::from_secs(4));
    let found = visits(quic, &resumption, true, pass);
    let ticket = Some(ResumedBy::Ticket);
    assert_eq!(found, [None, ticket, ticket, None, ticket]);
    assert_eq!(resumption.ticket_stats().lineage_ended, 1);
    Ok(())
}

fn main() {
    let trial = |name: &str, body: fn(&Quic) -> Result<(), Failed>| {
        let is_there = Quic::find().is_some();
        let trial = Trial::test(name, move || body(&Quic::find().expect("OpenSSL's server")));
        trial.with_ignored_flag(!is_there)
    };
    let trials = vec![
        trial("tickets_resume", tickets_resume),
        trial("a_lineage_ends", a_lineage_ends),
        trial(
            "sessions_outlive_connections_that_just_end",
            sessions_outlive_connections_that_just_end,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
