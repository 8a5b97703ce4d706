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
 * Functions that return int return 0 for success and -1 for failure; rekindle_last_error() says why.
 * Every function may be called from any thread, and from session hooks. None throws. Pointers are
 * read during the call only unless a function says otherwise.
 *
 * - A thread's first call must not come from a destructor of pthread_key_create(): what the call sets
 *   up for the thread would never be freed.
 * - fork() while no other thread is in a call or a handshake, or call rekindle_init() in the child.
 * - dlclose() does not unload the library: OpenSSL keeps pointers to its functions. So a plugin that
 *   contains the archive must not be unloaded either.
 *
 * Generated from crates/capi/src by cbindgen: `make -C crates/capi headers`. Do not edit.
 */

#ifndef REKINDLE_H
#define REKINDLE_H

#include <stddef.h>
#include <stdint.h>
#include <openssl/ssl.h>

/* A session id: TSSslSessionID in rekindle_ts.h, or in Traffic Server's own ts/ts.h. */
struct TSSslSessionID_s;

typedef struct rekindle_config rekindle_config;

/**
 * Event of a session hook: a client has named a session, and the handshake is about to look it up. What
 * the hook inserts under that id now is found (TS_EVENT_SSL_SESSION_GET).
 */
#define REKINDLE_SESSION_GET 2000

/**
 * Event of a session hook: the handshake has inserted a new session, and the hook finds it in the cache.
 * There is none for a session that the cache refused (TS_EVENT_SSL_SESSION_NEW).
 */
#define REKINDLE_SESSION_NEW 2001

/**
 * Event of a session hook: the handshake is about to remove a session, which the hook can still look up.
 * There is none if no such session is in the cache (TS_EVENT_SSL_SESSION_REMOVE).
 */
#define REKINDLE_SESSION_REMOVE 2002

/**
 * What rekindle_init() is told. Set every byte to zero and `size` to
 * `sizeof(struct rekindle_config)`, then what should not be as by default.
 *
 * The structure grows at its end. A program that was compiled against an older header works with a
 * newer library; one that was compiled against a newer header works with an older library as long as it
 * leaves the fields that the library does not know zero.
 */
struct rekindle_config {
    /**
     * `sizeof(struct rekindle_config)`, in bytes.
     */
    size_t size;
    /**
     * Sessions that fit, 1 to 2^32. 0: 100,000. Memory for the table is set aside at once, 24
     * bytes for each, and touched as it is needed; a session takes some 130 bytes beside its
     * encoding and OpenSSL's own object.
     */
    size_t sessions;
    /**
     * Bytes that the cache's entries may take, OpenSSL's own objects not included. 0: no limit
     * but `sessions`.
     */
    size_t max_bytes;
    /**
     * The longest encoded session that is accepted, in bytes, up to 1 MiB. 0: 16,384, which is
     * room for client certificates.
     */
    size_t max_session_bytes;
    /**
     * How long a session may be resumed, in seconds, on every context that is attached. 0: as each
     * context says (SSL_CTX_set_timeout(); OpenSSL's default is 300, in newer versions 7,200).
     */
    uint32_t session_timeout;
    /**
     * Must be zero.
     */
    uint32_t reserved;
    /**
     * How long each of the library's own ticket keys seals before a new one takes over, in seconds, up
     * to 30 days. 0: one hour.
     */
    uint32_t ticket_key_period;
    /**
     * How old the keys of TSSslTicketKeyUpdate() may get, in seconds, up to 400 days and more than
     * sessions live. If no others have come by then, the library's own take over until some do. 0: 30
     * days.
     */
    uint32_t ticket_key_max_age;
    /**
     * How long a client may go on resuming by tickets after its last full handshake, however often they
     * were renewed, in seconds, up to 7 days. 0: 7 days.
     */
    uint32_t full_handshake_max_age;
    /**
     * Must be zero.
     */
    uint32_t reserved_2;
};

/**
 * A session hook. `event` is one of REKINDLE_SESSION_GET, _NEW, _REMOVE, and others in later versions;
 * `id` is the session's id, valid during the call only; `data` is what rekindle_session_hook_add() was
 * given.
 *
 * It runs on the handshake's thread, on several at the same time, and the handshake waits for it. It
 * may call everything in this header and in rekindle_ts.h. It must not throw or longjmp() out.
 */
typedef void (*rekindle_session_hook)(int event, const struct TSSslSessionID_s *id, void *data);

/**
 * What the cache has done since rekindle_init(), and what it holds. Counters only grow; each is exact
 * once the threads that count are quiet.
 */
struct rekindle_stats {
    /**
     * `sizeof(struct rekindle_stats)`, in bytes, set by the caller: the structure grows at its end, and
     * no more than this is written. What the library does not know is zero afterwards.
     */
    uint64_t size;
    /**
     * Lookups that found a live session: handshakes, TSSslSessionGet(), TSSslSessionGetBuffer().
     */
    uint64_t hits;
    /**
     * Lookups that found nothing.
     */
    uint64_t misses;
    /**
     * Lookups that found a session whose life had ended. Not counted as misses.
     */
    uint64_t expired;
    /**
     * Sessions inserted under an id that had none.
     */
    uint64_t inserts;
    /**
     * Sessions that took the place of another under the same id.
     */
    uint64_t replaced;
    /**
     * Sessions removed.
     */
    uint64_t removed;
    /**
     * Sessions handed out by rekindle_session_take().
     */
    uint64_t taken;
    /**
     * Sessions that the cache threw out since their life had ended.
     */
    uint64_t evicted_expired;
    /**
     * Sessions that nobody had ever resumed, thrown out for room.
     */
    uint64_t evicted_unused;
    /**
     * Sessions that nobody had resumed lately, thrown out for room.
     */
    uint64_t evicted_idle;
    /**
     * Sessions thrown out since their line of eight was full.
     */
    uint64_t evicted_line_full;
    /**
     * Inserts refused: the encoded session was above the limit for one.
     */
    uint64_t refused_too_large;
    /**
     * Inserts refused: the entry alone was above the limit for all.
     */
    uint64_t refused_over_budget;
    /**
     * Inserts refused: memory that left the cache could not be reclaimed, since some thread did not get
     * on.
     */
    uint64_t refused_reclamation;
    /**
     * Inserts refused: OpenSSL could not encode the session. Of the process, not of this cache.
     */
    uint64_t refused_not_encodable;
    /**
     * Calls refused: an argument was NULL or invalid. Of the process, not of this cache.
     */
    uint64_t refused_invalid;
    /**
     * Calls refused: there was no cache. Of the process, not of this cache.
     */
    uint64_t refused_disabled;
    /**
     * Sessions that fit.
     */
    uint64_t capacity;
    /**
     * Sessions in the cache now, those included that have expired and are not swept yet.
     */
    uint64_t entries;
    /**
     * Bytes of those, OpenSSL's own objects not included.
     */
    uint64_t bytes;
    /**
     * Objects that have left the cache and wait until nobody can be looking at them.
     */
    uint64_t retired;
    /**
     * Bytes of those.
     */
    uint64_t retired_bytes;
    /**
     * Tickets sealed.
     */
    uint64_t tickets_sealed;
    /**
     * Tickets opened by the key that seals now, or one to come.
     */
    uint64_t tickets_opened;
    /**
     * Tickets opened by a key that has ceased to seal; the client got a new one.
     */
    uint64_t tickets_renewed;
    /**
     * Tickets that named no key that is or was known; the client got a full handshake, as for all below.
     */
    uint64_t tickets_unknown_key;
    /**
     * Tickets that named a key which has left the ring.
     */
    uint64_t tickets_retired_key;
    /**
     * Tickets that named a key but were not made with it: damaged or forged.
     */
    uint64_t tickets_bad_mac;
    /**
     * Too short to be a ticket.
     */
    uint64_t tickets_malformed;
    /**
     * Tickets whose lifetime was over.
     */
    uint64_t tickets_expired;
    /**
     * Tickets at the end of a chain of renewals that began too long ago.
     */
    uint64_t tickets_lineage_ended;
    /**
     * Of those opened or renewed: not used, as the session is of another session id context.
     */
    uint64_t tickets_context_differs;
    /**
     * Of those opened or renewed: not used, as the session is of another version, cipher suite or the
     * like than the handshake at hand.
     */
    uint64_t tickets_unusable;
    /**
     * Tickets opened or renewed by the place of their key: one to come, the one that seals, the last
     * one before that, and so on; the last number is of that key and all older ones.
     */
    uint64_t tickets_opened_by[8];
    /**
     * Tickets opened or renewed by their age: up to 1, 10, 60, 300, 900, 3,600, 10,800, 43,200, 86,400,
     * 259,200 and 604,800 seconds (each without those before it), and above.
     */
    uint64_t ticket_ages[12];
    /**
     * The sum of those ages, in seconds.
     */
    uint64_t ticket_ages_sum;
    /**
     * Ticket keys: those to come, the one that seals, those that open still.
     */
    uint64_t ticket_keys;
    /**
     * How long the key that seals has done so, in seconds.
     */
    uint64_t ticket_key_age;
    /**
     * Seconds until another key that is known already begins to seal. UINT64_MAX: none is known.
     */
    uint64_t ticket_key_next_rotation;
    /**
     * Seconds for which the keys that are known already can seal. UINT64_MAX: for ever.
     */
    uint64_t ticket_key_seals_for;
    /**
     * 1 if the library's own keys seal since those of TSSslTicketKeyUpdate() are too old, else 0.
     */
    uint64_t ticket_key_fallback;
    /**
     * How often that has begun.
     */
    uint64_t ticket_key_fallbacks;
    /**
     * How often another key began to seal.
     */
    uint64_t ticket_key_rotations;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes the process's session cache and a random ticket key. Before that every call behaves as though
 * caching were switched off.
 *
 * `config` is read during the call only; NULL stands for the defaults.
 *
 * Returns 0, or -1 if there is a cache already, a value of `config` is out of its range, or there is not
 * the memory. From any thread; of several callers one succeeds.
 */
int rekindle_init(const struct rekindle_config *config);

/**
 * Puts the cache and the ticket keys behind a server's context: its callbacks for new sessions, lookups,
 * removals and ticket keys; OpenSSL's own cache off; the configured session timeout, if any. Any number
 * of contexts share the cache.
 *
 * Call it before the context's first connection, on a context that no other thread uses; what else is set
 * on it may be set before or after. Set the session id context (SSL_CTX_set_session_id_context()) yourself: OpenSSL resumes no session under another one,
 * and with client certificates none at all without. SSL_OP_NO_TICKET decides, as always, whether clients
 * get tickets that carry their session or sessions stay in the cache. Leave early data off
 * (SSL_CTX_set_max_early_data()), and set none of those callbacks yourself.
 *
 * If SSL_CTX_set_session_cache_mode() sets SSL_SESS_CACHE_OFF afterwards, the context resumes by tickets
 * only. The context keeps what it needs: it may outlive rekindle_shutdown(), and be freed at any time.
 *
 * Returns 0, or -1 if `ctx` is NULL or attached already (to a cache that is gone, perhaps), or there is no
 * cache.
 */
int rekindle_attach(SSL_CTX *ctx);

/**
 * Looks after the cache and the ticket keys: sweeps out sessions that have expired, gives memory back,
 * makes the ticket keys that are to come, overwrites those whose time is over. For once a second, from
 * any thread.
 *
 * Nothing has to call it: inserts sweep as well, and a handshake that finds a ticket key missing makes
 * it, once each period. Where something does, no handshake has to, and keys are gone when their time is
 * over although nobody comes.
 *
 * Returns 0, or -1 if there is no cache, or if a key is to be made and the operating system gives no
 * random bytes; the keys in use stay then, and the next call tries again.
 */
int rekindle_maintain(void);

/**
 * Says why the calling thread's last call failed, or what it warns of, in English; empty if there is
 * nothing to say. Never NULL. The text is the library's, and valid until the thread's next call or end.
 */
const char *rekindle_last_error(void);

/**
 * Empties the cache and ends it: every call behaves as before rekindle_init(), which may be called again.
 * Calls in flight on other threads finish safely.
 *
 * Contexts that are attached keep working without a cache: they store no session and find none, whatever
 * is initialised later; tickets that carry their session go on with the keys that are in use. Hooks end,
 * but for handshakes that have begun to look a session up or to store one: those may still call them.
 *
 * Does nothing if there is no cache. From any thread. Takes as long as it takes to free all sessions (a
 * second for 500,000), and waits some milliseconds at the most for calls in flight. Programs need not call
 * it at their end; if they do, before OpenSSL's own clean-up, which is at exit().
 */
void rekindle_shutdown(void);

/**
 * Adds a session hook behind those that are there, for every context that is or will be attached. It
 * stays until rekindle_shutdown(). Calls to this library run no hooks: only handshakes do.
 *
 * `data` is passed on as it is, to several threads at a time. Handshakes that run during
 * rekindle_shutdown() may call the hook a last time after it; so free `data` after the handshakes. A hook
 * that is added by a hook has its turn at the next event.
 *
 * Returns 0, or -1 if `hook` is NULL or there is no cache. From any thread, while handshakes run.
 */
int rekindle_session_hook_add(rekindle_session_hook hook,
                              void *data);

/**
 * Removes the session under an id from the cache and hands it out, in one step: of any number of
 * callers exactly one receives it. That makes sessions single-use.
 *
 * Returns the session with a reference that is the caller's: free it with SSL_SESSION_free(). Others may
 * have got it before, so treat it as read-only.
 *
 * NULL: there is no live session under that id, there is no cache, or `id` is NULL or invalid;
 * rekindle_last_error() is empty in the first case. Runs no hook. From any thread; lock-free.
 */
SSL_SESSION *rekindle_session_take(const struct TSSslSessionID_s *id);

/**
 * Reads the counters. `out->size` must be set. (In C the structure is `struct rekindle_stats`: a
 * typedef would be in the way of this function.)
 *
 * Returns 0, or -1 if `out` is NULL, its size is wrong, or there is no cache; `*out` is untouched then.
 * From any thread. Reads a few kilobytes: for once a second, not for each request.
 */
int rekindle_stats(struct rekindle_stats *out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* REKINDLE_H */
