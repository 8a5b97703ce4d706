//! What OpenSSL's lookups cost the thread of a handshake: no allocation and no free, neither by
//! this library nor by OpenSSL, and no session's end.
#![allow(unsafe_code)] // stands between OpenSSL, its allocator and the library's callback

mod common;
#[path = "common/counting.rs"]
mod counting;

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_long, c_uchar, c_void};
use std::ptr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use common::{Client, Mechanism, server};
use counting::CALLS;
use foreign_types_shared::ForeignType;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslSession};
use openssl_sys::{self as sys, CRYPTO_EX_DATA, SSL, SSL_CTX, SSL_SESSION};
use rekindle::openssl::{Resumption, SessionCache, StoreError};
use rekindle::{Cache, Refused, SessionId};

thread_local! {
    /// OpenSSL's allocations and frees by this thread.
    static OPENSSL: Cell<usize> = const { Cell::new(0) };
    /// What this thread has been watched doing.
    static WATCHED: Watched = Watched::default();
}

#[derive(Default)]
struct Watched {
    now: Cell<bool>,
    lookups: Cell<usize>,
    rust: Cell<usize>,
    openssl: Cell<usize>,
    sessions_dropped: Cell<usize>,
}

impl Watched {
    /// Lookups, and what they cost: allocations and frees by Rust, by OpenSSL, ends of sessions.
    fn sums(&self) -> (usize, [usize; 3]) {
        let costs = [&self.rust, &self.openssl, &self.sessions_dropped];
        (self.lookups.get(), costs.map(Cell::get))
    }
}

fn add(to: &Cell<usize>, n: usize) {
    to.set(to.get() + n);
}

/// Does one lookup, and notes what it costs this thread.
fn watch<R>(look_up: impl FnOnce() -> R) -> R {
    let (rust, openssl) = (CALLS.get(), OPENSSL.get());
    WATCHED.with(|w| w.now.set(true));
    let result = look_up();
    WATCHED.with(|w| {
        w.now.set(false);
        add(&w.lookups, 1);
        add(&w.rust, CALLS.get() - rust);
        add(&w.openssl, OPENSSL.get() - openssl);
    });
    result
}

fn count() {
    // A thread that is past its end has nothing to count for.
    let _ = OPENSSL.try_with(|calls| add(calls, 1));
}

type Malloc = unsafe extern "C" fn(usize, *const c_char, c_int) -> *mut c_void;
type Realloc = unsafe extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void, *const c_char, c_int);
type GetSession =
    unsafe extern "C" fn(*mut SSL, *const c_uchar, c_int, *mut c_int) -> *mut SSL_SESSION;

unsafe extern "C" {
    fn CRYPTO_set_mem_functions(malloc: Malloc, realloc: Realloc, free: Free) -> c_int;
    fn SSL_CTX_sess_get_get_cb(ctx: *mut SSL_CTX) -> Option<GetSession>;
    fn SSL_SESSION_set_ex_data(session: *mut SSL_SESSION, index: c_int, data: *mut c_void)
    -> c_int;
}

unsafe extern "C" fn malloc(size: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
    count();
    // SAFETY: any size will do.
    unsafe { libc::malloc(size) }
}

unsafe extern "C" fn realloc(
    old: *mut c_void,
    size: usize,
    _file: *const c_char,
    _line: c_int,
) -> *mut c_void {
    count();
    // SAFETY: OpenSSL hands in null or what it got here or above.
    unsafe { libc::realloc(old, size) }
}

unsafe extern "C" fn free(old: *mut c_void, _file: *const c_char, _line: c_int) {
    count();
    // SAFETY: OpenSSL hands in null or what it got above, once.
    unsafe { libc::free(old) }
}

/// Sessions that a test has made, and those of them that have come to their end.
#[derive(Default)]
struct Tally {
    made: AtomicUsize,
    ended: AtomicUsize,
}

/// Where a session carries its `&'static Tally`. Made before anything else is asked of OpenSSL,
/// which takes allocation functions only then.
static TALLY: LazyLock<c_int> = LazyLock::new(|| {
    // SAFETY: functions with the signatures that OpenSSL asks for.
    unsafe {
        assert_eq!(CRYPTO_set_mem_functions(malloc, realloc, free), 1);
        // The application has enough indexes of its own that the list of a connection's data, which
        // grows from 9 to 13, is full just before our last one.
        let early = SslContext::builder(SslMethod::tls()).unwrap().build();
        drop(Ssl::new(&early).unwrap());
        while Ssl::new_ex_index::<()>().unwrap().as_raw() < 7 {}
        const SSL_SESSIONS: c_int = 2;
        sys::CRYPTO_get_ex_new_index(SSL_SESSIONS, 0, ptr::null_mut(), None, None, Some(ended))
    }
});

/// A session comes to its end, on this thread.
unsafe extern "C" fn ended(
    _session: *mut c_void,
    tally: *mut c_void,
    _ad: *mut CRYPTO_EX_DATA,
    _index: c_int,
    _argl: c_long,
    _argp: *mut c_void,
) {
    // SAFETY: null, or what `write` has set.
    if let Some(tally) = unsafe { tally.cast::<Tally>().as_ref() } {
        tally.ended.fetch_add(1, Ordering::Relaxed);
    }
    WATCHED.with(|w| add(&w.sessions_dropped, usize::from(w.now.get())));
}

thread_local! {
    /// The library's own callback, which belongs to this thread's resumption.
    static OURS: Cell<Option<GetSession>> = const { Cell::new(None) };
}

unsafe extern "C" fn watched_get_session(
    ssl: *mut SSL,
    id: *const c_uchar,
    len: c_int,
    copy: *mut c_int,
) -> *mut SSL_SESSION {
    let ours = OURS.get().expect("set before this");
    // SAFETY: OpenSSL's arguments, handed on.
    watch(|| unsafe { ours(ssl, id, len, copy) })
}

/// A server whose lookups are watched.
fn watched_server(resumption: &Resumption) -> SslContext {
    let server = server(resumption);
    // SAFETY: no other thread uses the context yet.
    unsafe {
        let ours = SSL_CTX_sess_get_get_cb(server.as_ptr()).expect("installed");
        OURS.set(Some(ours));
        sys::SSL_CTX_sess_set_get_cb(server.as_ptr(), Some(watched_get_session));
    }
    server
}

fn resumption() -> Resumption {
    let cache = common::cache(Cache::builder().capacity(200));
    let builder = Resumption::builder().cache(cache);
    builder.stateless_tickets(false).build().unwrap()
}

/// Ids that writers use.
fn id(n: usize) -> SessionId {
    SessionId::new(&(n % 500).to_le_bytes()).unwrap()
}

/// Inserts, replaces, evicts, removes and takes sessions until it is told to stop.
fn write(cache: &SessionCache, der: &[u8], start: usize, tally: &'static Tally, done: &AtomicBool) {
    for n in (start..).step_by(7) {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let insert = || {
            let session = SslSession::from_der(der).unwrap();
            let data = ptr::from_ref(tally).cast_mut().cast();
            // SAFETY: a live session, and an index of sessions.
            let told = unsafe { SSL_SESSION_set_ex_data(session.as_ptr(), *TALLY, data) };
            assert_eq!(told, 1);
            tally.made.fetch_add(1, Ordering::Relaxed);
            match cache.insert_session(&id(n), session) {
                // A thread was preempted while it was pinned.
                Ok(_) | Err(StoreError::Refused(Refused::ReclamationHeldBack)) => {}
                Err(other) => panic!("{other}"),
            }
        };
        insert();
        match n % 5 {
            0 => drop(cache.remove(&id(n / 2))),
            1 => drop(cache.take_session(&id(n / 3))),
            2 => insert(),
            _ => {}
        }
    }
}

/// Ends the writers, also when the reader panics.
struct Done<'d>(&'d AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `read` while two threads write.
fn beside_writers(cache: &SessionCache, der: &[u8], tally: &'static Tally, read: impl FnOnce()) {
    let done = &AtomicBool::new(false);
    thread::scope(|scope| {
        let writers =
            [0, 1].map(|start| scope.spawn(move || write(cache, der, start, tally, done)));
        let reading = Done(done);
        while cache.stats().inserts < 1_000 {
            thread::yield_now();
        }
        read();
        drop(reading);
        for writer in writers {
            writer.join().unwrap();
        }
    });
    let stats = cache.stats();
    let evicted = stats.evicted.unused + stats.evicted.idle;
    assert!(stats.replaced > 0 && evicted > 0, "{stats:?}");
    assert!(stats.removed > 0 && stats.taken > 0, "{stats:?}");
}

#[test]
fn a_lookup_in_a_handshake_neither_allocates_nor_frees() {
    const VISITS: usize = 400;
    static SESSIONS: LazyLock<Tally> = LazyLock::new(Tally::default);
    LazyLock::force(&TALLY);
    for kind in Mechanism::STATEFUL {
        let resumption = resumption();
        let (server, client) = (watched_server(&resumption), Client::new(kind));
        client.connect(&server);
        // A session that was resumed outranks those that the writers insert.
        assert!(client.reconnect(&server).resumed());
        let der = client.session().to_der().unwrap();
        let (lookups_before, _) = WATCHED.with(Watched::sums);
        let mut resumed = 0;
        beside_writers(resumption.cache(), &der, &SESSIONS, || {
            for _ in 0..VISITS {
                resumed += usize::from(client.reconnect(&server).resumed());
            }
        });
        let (lookups, costs) = WATCHED.with(Watched::sums);
        assert_eq!(costs, [0; 3], "{kind:?}");
        assert!(lookups - lookups_before >= VISITS, "{kind:?}");
        assert!(resumed > VISITS / 2, "{kind:?}: {resumed} hits");
        assert!(CALLS.get() > 0 && OPENSSL.get() > VISITS, "are counted");
    }
}

#[test]
fn no_session_ends_in_a_lookup_and_each_ends_once() {
    const LOOKUPS: usize = 100_000;
    static SESSIONS: LazyLock<Tally> = LazyLock::new(Tally::default);
    LazyLock::force(&TALLY);
    let resumption = resumption();
    let (server, client) = (watched_server(&resumption), Client::new(Mechanism::Tls12Id));
    client.connect(&server);
    let der = client.session().to_der().unwrap();
    let cache = resumption.cache();
    let mut hits = 0;
    beside_writers(cache, &der, &SESSIONS, || {
        let ssl = Ssl::new(&server).unwrap();
        let mut buffer = [0; 4_096];
        for n in 0..LOOKUPS {
            let id = id(n * 3);
            hits += usize::from(match n % 3 {
                0 => watch(|| cache.get_buffer(&id, &mut buffer)).is_some(),
                // The reference that comes with it ends here, not in the lookup: perhaps it is the
                // last.
                1 => watch(|| cache.get_session(&id)).is_some(),
                _ => {
                    let bytes = id.as_bytes();
                    let (len, mut copy) = (bytes.len() as c_int, 1);
                    // SAFETY: a live connection, an id of that length, and a place for `copy`; a
                    // session comes with a reference.
                    let session = unsafe {
                        let ssl = ssl.as_ptr();
                        let session = watched_get_session(ssl, bytes.as_ptr(), len, &mut copy);
                        (!session.is_null()).then(|| SslSession::from_ptr(session))
                    };
                    assert_eq!(copy, 0);
                    session.is_some()
                }
            });
        }
    });
    let (lookups, costs) = WATCHED.with(Watched::sums);
    assert!(lookups >= LOOKUPS);
    assert_eq!(costs, [0; 3]);
    assert!(hits > LOOKUPS / 100, "{hits} hits prove little");
    let ended = || SESSIONS.ended.load(Ordering::Relaxed);
    assert!(ended() > 0, "sessions ended meanwhile, elsewhere");
    drop((server, resumption));
    assert_eq!(ended(), SESSIONS.made.load(Ordering::Relaxed));
}
