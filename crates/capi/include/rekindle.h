/*
 * Rekindle: TLS session resumption for servers that use OpenSSL 3.
 *
 * A process-wide session cache with wait-free lookups, and session ticket keys that are swapped
 * atomically. Ten lines put both behind a server:
 *
 *     rekindle_config config = {0};
 *     config.size = sizeof config;
 *     config.sessions = 1000000;
 *     if (rekindle_init(&config) != 0 || rekindle_attach(ctx) != 0) {
 *         fprintf(stderr, "%s\n", rekindle_last_error());
 *         return 1;
 *     }
 *
 * The calls of Traffic Server's manual page TSSslSession, which read and change the cache, are in
 * rekindle_ts.h. examples/terminator.c is a whole server.
 *
 * Functions that return int return 0 for success and -1 for failure; rekindle_last_error() says
 * why. Any thread may call any function, also in a session hook. No function throws. The library
 * reads pointers during the call only, unless a function says otherwise. Times are in seconds.
 *
 * - A thread must not make its first call in a destructor of pthread_key_create(): the memory that
 *   the call sets up for the thread would leak.
 * - Call fork() while no other thread is in a call or a handshake, or call rekindle_init() in the
 *   child. After fork() each process has a cache of its own. All agree on the ticket keys that the
 *   library makes, also on later ones: a ticket opens in each of them. A session that is resumed by
 *   its id is found by the process that made it only.
 * - dlclose() does not unload the library: OpenSSL keeps pointers to its functions. For the same
 *   reason a plugin that contains the archive must stay loaded.
 */

#ifndef REKINDLE_H
#define REKINDLE_H

#include <stddef.h>
#include <stdint.h>
#include <openssl/ssl.h>

/* A session id: TSSslSessionID in rekindle_ts.h, or in Traffic Server's own ts/ts.h. */
struct TSSslSessionID_s;

typedef struct rekindle_config rekindle_config;

/// Event of a session hook: a client has named a session, and the handshake is about to look it up.
/// The lookup finds what the hook inserts under that id now (TS_EVENT_SSL_SESSION_GET).
#define REKINDLE_SESSION_GET 2000

/// Event of a session hook: the handshake has inserted a new session, and the hook can look it up.
/// A session that the cache refused causes no event (TS_EVENT_SSL_SESSION_NEW).
#define REKINDLE_SESSION_NEW 2001

/// Event of a session hook: the handshake is about to remove a session, which the hook can still
/// look up. A session that is not in the cache causes no event (TS_EVENT_SSL_SESSION_REMOVE).
#define REKINDLE_SESSION_REMOVE 2002

/// The configuration that rekindle_init() reads. Set every byte to zero, `size` to
/// `sizeof(struct rekindle_config)`, and then each field that should differ from its default.
///
/// The structure grows at its end. A program that was compiled against an older header works with a
/// newer library. A program that was compiled against a newer header works with an older library as
/// long as the fields that the library does not know are zero; otherwise rekindle_init() fails.
struct rekindle_config {
    /// `sizeof(struct rekindle_config)`, in bytes.
    size_t size;
    /// Capacity in sessions, 1 to 2^32. 0: 100,000. The library takes 24 bytes of table for each at
    /// once. A session takes about 1,300 bytes in all, or 8,500 with
    /// a client's certificate (RSA, 2,048 bits): the library keeps OpenSSL's own object.
    size_t sessions;
    /// Limit of all entries together, in bytes, with an estimate of what OpenSSL's own objects
    /// take. 0: no limit but `sessions`.
    size_t max_bytes;
    /// Longest encoded session that the cache accepts, in bytes, up to 1 MiB. 0: 16,384, which is
    /// enough for client certificates.
    size_t max_session_bytes;
    /// How long a session may be resumed, in seconds, on every attached context. 0: as each context
    /// says (SSL_CTX_set_timeout(); OpenSSL's default is 300, in newer versions 7,200). Tickets
    /// that carry their session live 7 days at most.
    uint32_t session_timeout;
    /// Must be zero.
    uint32_t reserved;
    /// How long each of the library's own ticket keys seals before the next one takes over, in
    /// seconds, up to 30 days. 0: one hour.
    uint32_t ticket_key_period;
    /// Maximum age of the keys of TSSslTicketKeyUpdate(), in seconds, up to 400 days and above the
    /// session timeout. When they reach it without an update, the library's own keys take over
    /// until the next update. 0: 30 days.
    uint32_t ticket_key_max_age;
    /// How long a client may resume by tickets after its last full handshake, however often its
    /// tickets were renewed, in seconds, up to 7 days. 0: 7 days.
    uint32_t full_handshake_max_age;
    /// 1: a session in the cache outlives a connection that just ends, without close_notify or by
    /// SSL_free() without SSL_shutdown(), unless it failed by a fatal alert. Such a session is kept
    /// as its encoding: each lookup parses it. A session that the program removes without an error
    /// of OpenSSL's (SSL_CTX_remove_session()) stays as well: use TSSslSessionRemove(). 0: OpenSSL
    /// removes it.
    uint32_t keep_sessions;
    /// Path of a file with a secret, as `rekindle-terminator keys generate` writes it: ticket keys
    /// are derived from it and the wall clock, so that all machines with that secret resume each
    /// other's tickets. Read by rekindle_init() only; see rekindle_ticket_keys_load(). If the file
    /// says a session timeout and `session_timeout` is 0, the file's is taken; if both are given
    /// and differ, rekindle_init() succeeds with a warning in rekindle_last_error(). While the
    /// clock is off, so that the secret gives no key, keys of the process's own seal. NULL: each
    /// process has keys of its own, which it shares with those that fork off it.
    const char *ticket_secret;
    /// The library context of the contexts to be attached, if SSL_CTX_new_ex() has given them one
    /// of their own: ciphers of ticket keys and randomness come from it. It must never be freed.
    /// NULL: OpenSSL's default one.
    OSSL_LIB_CTX *library_context;
    /// Early data (0-RTT): how many bytes of each flight are accepted, once, by the process that
    /// has sealed the ticket (or has the session). The program calls SSL_read_early_data() before
    /// the handshake. 0: none.
    uint32_t early_data;
    /// For how many flights of early data a second there is room, at 7 to 11 kB for each. 0: 1,000.
    uint32_t early_data_flights;
    /// 1: a session of TLS 1.3 in the cache (SSL_OP_NO_TICKET) resumes once. It is removed when its
    /// client has shown that it has the session's secret. 0: until it expires.
    uint32_t single_use;
    /// 1: a session resumes under any server name, for contexts without a servername callback. 0:
    /// under that which it was made under, without regard to case.
    uint32_t all_names_as_one;
};

/// A session hook. `event` is REKINDLE_SESSION_GET, _NEW or _REMOVE; later versions may add events.
/// `id` is the session's id, valid during the call only. `data` is the pointer that
/// rekindle_session_hook_add() was given.
///
/// A hook runs on the handshake's thread, on several threads at the same time, and the handshake
/// waits for it. It may call every function of this header and of rekindle_ts.h. It must not throw
/// and must not leave by longjmp().
typedef void (*rekindle_session_hook)(int event, const struct TSSslSessionID_s *id, void *data);

/// Counters since rekindle_init(), and the present state. Counters only grow; each is exact once
/// the threads that count are idle.
struct rekindle_stats {
    /// `sizeof(struct rekindle_stats)`, in bytes, set by the caller. The structure grows at its
    /// end, and the library writes no more than this; it sets fields that it does not know to zero.
    uint64_t size;
    /// Lookups that found a live session: handshakes, TSSslSessionGet(), TSSslSessionGetBuffer().
    uint64_t hits;
    /// Lookups that found no session.
    uint64_t misses;
    /// Lookups that found an expired session. Not counted as misses.
    uint64_t expired;
    /// Sessions inserted under an id that had none.
    uint64_t inserts;
    /// Sessions that replaced another under the same id.
    uint64_t replaced;
    /// Sessions removed.
    uint64_t removed;
    /// Sessions that rekindle_session_take() handed out.
    uint64_t taken;
    /// Sessions evicted after they had expired.
    uint64_t evicted_expired;
    /// Sessions evicted for room that no client had ever resumed.
    uint64_t evicted_unused;
    /// Sessions evicted for room that no client had resumed lately.
    uint64_t evicted_idle;
    /// Sessions evicted because their line of seven was full.
    uint64_t evicted_line_full;
    /// Inserts refused: the encoded session was longer than `max_session_bytes`.
    uint64_t refused_too_large;
    /// Inserts refused: the entry alone was larger than `max_bytes`.
    uint64_t refused_over_budget;
    /// Inserts refused: a stalled thread held back the reclamation of retired memory.
    uint64_t refused_reclamation;
    /// Inserts refused: OpenSSL could not encode the session. Of the process, not of this cache.
    uint64_t refused_not_encodable;
    /// Calls refused: an argument was NULL or invalid. Of the process, not of this cache.
    uint64_t refused_invalid;
    /// Calls refused: there was no cache. Of the process, not of this cache.
    uint64_t refused_disabled;
    /// Capacity of the cache, in sessions.
    uint64_t capacity;
    /// Sessions in the cache, expired ones that are not swept yet included.
    uint64_t entries;
    /// Bytes of those sessions, with an estimate of what OpenSSL's own objects take.
    uint64_t bytes;
    /// Objects that have left the cache and wait for the end of their grace period.
    uint64_t retired;
    /// Bytes of those objects.
    uint64_t retired_bytes;
    /// Tickets sealed.
    uint64_t tickets_sealed;
    /// Tickets opened by the key that seals, or by a later one.
    uint64_t tickets_opened;
    /// Tickets opened by a key that seals no more; the client got a new ticket.
    uint64_t tickets_renewed;
    /// Tickets of a key that the ring never had; the client got a full handshake, as for the next
    /// ones.
    uint64_t tickets_unknown_key;
    /// Tickets of a key that has left the ring.
    uint64_t tickets_retired_key;
    /// Tickets that were not made with the key that they name: damaged or forged.
    uint64_t tickets_bad_mac;
    /// Tickets that were too short.
    uint64_t tickets_malformed;
    /// Tickets whose lifetime was over.
    uint64_t tickets_expired;
    /// Tickets of clients whose last full handshake was longer ago than `full_handshake_max_age`.
    uint64_t tickets_lineage_ended;
    /// Tickets opened or renewed but not used: the session is of another session id context.
    uint64_t tickets_context_differs;
    /// Tickets opened or renewed but not used: the session's version, cipher suite or the like does
    /// not fit the handshake.
    uint64_t tickets_unusable;
    /// Tickets opened or renewed, by the position of their key: a later key, the key that seals,
    /// the last one before it, and so on. The last number counts that key and all older ones.
    uint64_t tickets_opened_by[8];
    /// Tickets opened or renewed, by their age: up to 1, 10, 60, 300, 900, 3,600, 10,800, 43,200,
    /// 86,400, 259,200 and 604,800 seconds (each without the ones before), and above.
    uint64_t ticket_ages[12];
    /// Sum of those ages, in seconds.
    uint64_t ticket_ages_sum;
    /// Ticket keys: later ones, the one that seals, the ones that still open.
    uint64_t ticket_keys;
    /// How long the present key has been sealing, in seconds.
    uint64_t ticket_key_age;
    /// Seconds until another known key begins to seal. UINT64_MAX: none is known.
    uint64_t ticket_key_next_rotation;
    /// Seconds for which the known keys can seal. UINT64_MAX: without end.
    uint64_t ticket_key_seals_for;
    /// 1 while the library's own keys seal as a fallback, since those of TSSslTicketKeyUpdate() are
    /// too old; else 0.
    uint64_t ticket_key_fallback;
    /// How often the fallback has begun.
    uint64_t ticket_key_fallbacks;
    /// How often another key began to seal.
    uint64_t ticket_key_rotations;
    /// Tickets that could not be sealed, so that a handshake went on without one.
    uint64_t tickets_not_sealed;
    /// Full handshakes on an attached context on which the program has set session callbacks of its
    /// own (SSL_CTX_sess_set_new_cb() and the like) afterwards.
    uint64_t conflicts_session_callbacks;
    /// Full handshakes on an attached context whose internal cache the program has turned on again
    /// (SSL_CTX_set_session_cache_mode()).
    uint64_t conflicts_internal_cache;
    /// Tickets that another ticket key callback (SSL_CTX_set_tlsext_ticket_key_evp_cb() and the
    /// like) has opened, set after rekindle_attach(). They did not resume.
    uint64_t conflicts_ticket_key_callback;
    /// Tickets sealed without limits of lifetime and lineage: the program has replaced the callback
    /// of SSL_CTX_set_session_ticket_cb().
    uint64_t conflicts_session_ticket_callback;
    /// Tickets whose lineage begins anew: the program has replaced the callback of
    /// SSL_CTX_set_not_resumable_session_callback().
    uint64_t conflicts_not_resumable_callback;
    /// Full handshakes that gave no ticket: the server asks for client certificates
    /// (SSL_VERIFY_PEER) and has no session id context (SSL_CTX_set_session_id_context()), and
    /// OpenSSL would end the client's next connection.
    uint64_t conflicts_no_session_id_context;
    /// Lookups of handshakes that found a session which was made under another server name than the
    /// client asks for. Also counted in `expired`.
    uint64_t refused_name_differs;
    /// Lookups of handshakes that found a revoked session. Also counted in `expired`.
    uint64_t refused_revoked;
    /// Tickets whose session was made under another server name than the client asks for.
    uint64_t tickets_name_differs;
    /// Tickets whose session was revoked.
    uint64_t tickets_revoked;
    /// Flights of early data that were accepted, each of them once.
    uint64_t early_data_accepted;
    /// Flights refused: they were accepted before.
    uint64_t early_data_replayed;
    /// Flights refused: they took ten seconds or longer, or the program did not call
    /// SSL_read_early_data().
    uint64_t early_data_too_old;
    /// Flights refused: another process has sealed their ticket or made their session, or the SSL
    /// object was used before (SSL_clear()).
    uint64_t early_data_foreign;
    /// Flights refused: this process has just started, and opens tickets of before.
    uint64_t early_data_starting;
    /// Flights refused: there were too many to remember another.
    uint64_t early_data_full;
    /// Flights refused: the client asks for another server name than that of its session.
    uint64_t early_data_name_differs;
    /// Flights refused: the protocol chosen by ALPN is not that of the session.
    uint64_t early_data_alpn_differs;
    /// Flights refused: the server asked for a second ClientHello.
    uint64_t early_data_retried;
    /// Flights refused: their session was not resumed.
    uint64_t early_data_not_resumed;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// Makes the process's session cache and a random ticket key. Before this call every other call
/// behaves as if caching were switched off.
///
/// NULL stands for the defaults. Fails if there is a cache already, a value of `config` is out of
/// its range, or memory is short. Of several callers one succeeds.
int rekindle_init(const struct rekindle_config *config);

/// Puts the cache and the ticket keys behind a server's context. It sets the callbacks for new
/// sessions, lookups, removals, tickets and their keys and the one of
/// SSL_CTX_set_not_resumable_session_callback(), switches OpenSSL's own cache off, and sets the
/// configured session timeout, if any. Any number of contexts share the cache.
///
/// Call it before the context's first connection, on a context that no other thread uses, when its
/// certificate is set, and whom it verifies clients with. Of these the session id context is made,
/// unless the program has set one (SSL_CTX_set_session_id_context()): OpenSSL resumes no session
/// under another one. Machines that are to resume each other's sessions must have the same: see
/// rekindle_attach_scoped(). Other settings may come before or after. SSL_OP_NO_TICKET decides, as
/// always, whether clients get tickets that carry their session or sessions stay in the cache.
/// Leave early data to `early_data` of rekindle_config (that is, do not call
/// SSL_CTX_set_max_early_data()), and set none of those callbacks yourself: handshakes
/// that find them replaced are counted (`conflicts_*` of rekindle_stats). Ticket keys and ticket
/// callbacks that the program has set before are replaced and never asked; OpenSSL does not tell
/// whether there are any.
///
/// If SSL_CTX_set_session_cache_mode() sets SSL_SESS_CACHE_OFF afterwards, the context resumes by
/// tickets only. The context keeps what it needs: it may outlive rekindle_shutdown(), and the
/// program may free it at any time.
///
/// Fails, and changes nothing, if `ctx` is NULL or attached already (to this cache or to an earlier
/// one), has session callbacks of the program's, or has served with OpenSSL's internal cache, which
/// holds sessions; if it has neither a certificate nor a session id context; or if there is no
/// cache.
int rekindle_attach(SSL_CTX *ctx);

/// As rekindle_attach(), with a scope of the program's: `len` bytes that say what sessions of the
/// context belong to (a tenant, how clients are authenticated, ...). A digest of them becomes the
/// session id context, unless the program has set one. The context needs no certificate yet.
///
/// Fails as rekindle_attach() does, or if `scope` is NULL.
int rekindle_attach_scoped(SSL_CTX *ctx, const void *scope, size_t len);

/// As rekindle_attach(), but replaces session callbacks of the program's and removes the sessions
/// in the context's internal cache.
int rekindle_attach_replacing(SSL_CTX *ctx);

/// Revokes the sessions of a scope that rekindle_attach_scoped() was given: from when it returns
/// on, no handshake resumes a session that goes back to a full handshake of before, in the cache or
/// in a ticket. It takes the same time however many sessions there are. Handshakes that have found
/// theirs by then go on, but what they are given ends with it. Calls that read the cache
/// (TSSslSessionGet()) still find such a session.
///
/// For sessions of other machines the time of day decides, and other machines have to revoke theirs
/// themselves. Fails if `scope` is NULL or there is no cache.
int rekindle_revoke(const void *scope, size_t len);

/// As rekindle_revoke(), for all scopes, also those of rekindle_attach().
int rekindle_revoke_all(void);

/// Reads ticket keys from a file, and uses them in place of those in use: "secret" for a secret to
/// derive keys from, as in `ticket_secret` of rekindle_config; or a format of keys, of a file or of
/// a folder of such files: "traffic-server-48", "nginx-48", "nginx-80", "haproxy-48", "haproxy-80",
/// "apache-48", "openssl-80", "envoy-80" or "h2o". Call it again when the file has changed.
///
/// Handshakes may run during the call. It reads files: call it from a thread that may wait.
///
/// Fails if `path` or `format` is NULL, no format has that name, the file (1 MiB at most) cannot be
/// read or has no key that seals now or later, or there is no cache. The keys in use stay then.
/// After a success rekindle_last_error() may hold a warning, such as that others can read the file.
int rekindle_ticket_keys_load(const char *path, const char *format);

/// Maintains the cache and the ticket keys: removes sessions that have expired, gives memory back,
/// makes the next ticket keys, and overwrites the keys whose lifetime is over. Call it about once a
/// second, from any thread.
///
/// Calling it is optional: inserts remove expired sessions as well, and a handshake that finds a
/// ticket key missing makes it, once each period. A program that calls it spares handshakes that
/// work, and a key's memory is overwritten on time even when no client connects.
///
/// Fails if there is no cache, or if a key is due and the operating system gives no random bytes;
/// the keys in use stay then, and the next call tries again.
int rekindle_maintain(void);

/// Says why the calling thread's last call failed, or what it warns of, in English. Empty if the
/// call succeeded without a warning. Never NULL. The library owns the text, which is valid until
/// the thread's next call or end.
const char *rekindle_last_error(void);

/// Empties the cache and ends it: every call behaves as before rekindle_init(), which the program
/// may call again. Calls in flight on other threads finish safely.
///
/// Attached contexts keep working without a cache: they store no session and find none, also after
/// a later rekindle_init(). Tickets that carry their session go on with the keys in use. Hooks end;
/// a handshake that has begun to look a session up or to store one may still call them.
///
/// Does nothing if there is no cache. It frees all sessions (500,000 a second) and waits a few
/// milliseconds at most for calls in flight. A program need not call it at its end; if it does, it
/// must do so before OpenSSL's own clean-up, which is at exit().
void rekindle_shutdown(void);

/// Adds a session hook behind the existing ones, for every context that is or will be attached. The
/// hook stays until rekindle_shutdown(). Only handshakes run hooks; calls to this library run none.
///
/// The library passes `data` on unchanged, on several threads at a time. A handshake that runs
/// during rekindle_shutdown() may call the hook a last time after it: free `data` after the
/// handshakes. A hook that another hook adds runs from the next event on.
///
/// Fails if `hook` is NULL or there is no cache. Handshakes may run during the call.
int rekindle_session_hook_add(rekindle_session_hook hook, void *data);

/// Removes the session under an id from the cache and hands it out, in one step: of any number of
/// callers exactly one receives it. This makes sessions single-use.
///
/// Returns the session with a reference that the caller owns: free it with SSL_SESSION_free().
/// Earlier lookups may have handed out the same session: treat it as read-only.
///
/// NULL: there is no live session under that id, and rekindle_last_error() is empty; or there is no
/// cache, or `id` is NULL or invalid. Runs no hook; lock-free.
SSL_SESSION *rekindle_session_take(const struct TSSslSessionID_s *id);

/// Reads the counters. Set `out->size` before. (In C the structure is `struct rekindle_stats`: a
/// typedef of that name would hide this function.)
///
/// Fails if `out` is NULL, its size is wrong, or there is no cache; `*out` is untouched then. It
/// reads a few kilobytes: call it once a second, not once a request.
int rekindle_stats(struct rekindle_stats *out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* REKINDLE_H */
