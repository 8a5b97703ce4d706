/*
 * The calls of Traffic Server's manual page TSSslSession, with its names and types, for programs
 * without Traffic Server's headers. Set-up is in rekindle.h.
 *
 * Gives way to Traffic Server's own ts/ts.h: include that first, and this declares nothing.
 *
 * None of these calls throws. From any thread, and from session hooks.
 *
 * Generated from crates/capi/src/ts.rs by cbindgen: `make -C crates/capi headers`. Do not edit.
 */
/* TS_SSL_MAX_SSL_SESSION_ID_LENGTH is what ts/ts.h defines as well. */
#if !defined(REKINDLE_TS_H) && !defined(TS_SSL_MAX_SSL_SESSION_ID_LENGTH)
#define REKINDLE_TS_H

#include <stddef.h>

/**
 * The longest session id, in bytes.
 */
#define TS_SSL_MAX_SSL_SESSION_ID_LENGTH 32

/**
 * What calls return that can fail; rekindle_last_error() says why.
 */
typedef enum TSReturnCode {
    /**
     * It failed, and changed nothing.
     */
    TS_ERROR = -1,
    /**
     * It succeeded.
     */
    TS_SUCCESS = 0,
} TSReturnCode;

/**
 * The events of session hooks; see rekindle_session_hook_add().
 */
typedef enum TSEvent {
    /**
     * A handshake is about to look a session up.
     */
    TS_EVENT_SSL_SESSION_GET = 2000,
    /**
     * A handshake has inserted a new session.
     */
    TS_EVENT_SSL_SESSION_NEW = 2001,
    /**
     * A handshake is about to remove a session.
     */
    TS_EVENT_SSL_SESSION_REMOVE = 2002,
} TSEvent;

/**
 * An `SSL` of OpenSSL: cast freely.
 */
typedef struct tsapi_ssl_obj tsapi_ssl_obj;

/**
 * An `SSL_SESSION` of OpenSSL: cast freely.
 */
typedef struct tsapi_ssl_session tsapi_ssl_session;

/**
 * A pointer to an `SSL_SESSION` of OpenSSL: cast freely.
 */
typedef struct tsapi_ssl_session *TSSslSession;

/**
 * A TLS session id: `len` bytes, 1 to 32. Every call refuses another length.
 */
typedef struct TSSslSessionID_s {
    /**
     * Number of bytes, 1 to 32.
     */
    size_t len;
    /**
     * The bytes; those behind `len` are ignored.
     */
    char bytes[TS_SSL_MAX_SSL_SESSION_ID_LENGTH];
} TSSslSessionID_s;

/**
 * See struct TSSslSessionID_s.
 */
typedef struct TSSslSessionID_s TSSslSessionID;

/**
 * A pointer to an `SSL` of OpenSSL: cast freely.
 */
typedef struct tsapi_ssl_obj *TSSslConnection;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Looks a session up.
 *
 * Returns the session, an `SSL_SESSION *`, with a reference that is the caller's: free it with
 * SSL_SESSION_free(). The session is shared with the cache and with handshakes: treat it as
 * read-only, and change a copy (SSL_SESSION_dup()). It stays valid whatever becomes of the cache.
 *
 * NULL: there is no live session under that id, there is no cache, or `sessionid` is NULL or invalid;
 * rekindle_last_error() is empty in the first case.
 *
 * `sessionid` is read during the call only. From any thread. Wait-free, and allocates nothing but
 * what a thread's first call sets up.
 */
TSSslSession TSSslSessionGet(const TSSslSessionID *sessionid);

/**
 * Copies a session in its encoded form (DER, as i2d_SSL_SESSION() writes it), which other processes
 * and machines can read.
 *
 * `*len_ptr` says how many bytes there are room for in `buffer`. Returns the length of the encoded
 * session in bytes, however much of it was stored:
 *
 * - it fits: all of it is stored, and `*len_ptr` is its length;
 * - it does not: the first `*len_ptr` bytes are stored and `*len_ptr` stays. Ignore the buffer, and
 *   come back with one as long as the value returned;
 * - `buffer` is NULL or `*len_ptr` is negative: nothing is stored, and `*len_ptr` is 0. That asks for
 *   the length.
 *
 * 0: there is no live session under that id, there is no cache, `sessionid` is NULL or invalid or
 * `len_ptr` is NULL; `*len_ptr` and `buffer` are untouched, and rekindle_last_error() is empty in the
 * first case.
 *
 * From any thread. Wait-free, and allocates nothing but what a thread's first call sets up. The
 * encoded session is a secret.
 */
int TSSslSessionGetBuffer(const TSSslSessionID *sessionid,
                          char *buffer,
                          int *len_ptr);

/**
 * Inserts a session under an id, until session time + session timeout. A session that is there under
 * that id is replaced, in one atomic step.
 *
 * The cache takes a reference of its own; the caller keeps theirs, and must not change the session any
 * more. `ssl_conn` is not used and may be NULL. `sessionid` is read during the call only.
 *
 * TS_ERROR: `sessionid` is NULL or invalid, `add_session` is NULL or cannot be encoded, its encoding is
 * above the configured limit, or there is no cache. Nothing has changed; rekindle_last_error() says
 * why, and rekindle_stats() counts it. (If it cannot be encoded, OpenSSL's error queue of the thread is
 * emptied.)
 *
 * Runs no hook. From any thread; lock-free.
 */
enum TSReturnCode TSSslSessionInsert(const TSSslSessionID *sessionid,
                                     TSSslSession add_session,
                                     TSSslConnection ssl_conn);

/**
 * Removes the session under an id, if there is one. No lookup that starts after this has returned finds
 * it.
 *
 * TS_ERROR: `sessionid` is NULL or invalid, or there is no cache. TS_SUCCESS also when there was no
 * such session.
 *
 * Runs no hook. From any thread; lock-free.
 */
enum TSReturnCode TSSslSessionRemove(const TSSslSessionID *sessionid);

/**
 * Replaces the session ticket keys, in one atomic step, of every context that is attached to the cache.
 * (Contexts that were attached before a shutdown keep what they had.)
 *
 * `ticketData` is `ticketDataLength` bytes of records of 48: name (16), HMAC secret (16), AES key (16),
 * as in Traffic Server's key files. The first record seals new tickets, all of them open tickets. The
 * keys are copied; overwrite yours.
 *
 * TS_ERROR: `ticketData` is NULL, there is no whole record, a record's secrets are all zeros, one of them
 * is one repeated byte or both are the same, two records have one name or the same secrets, there are
 * more than 4,096, or there is no cache. The keys in use stay; rekindle_last_error() names the record.
 * Bytes behind the last whole record are ignored, with a warning: rekindle_last_error() is not empty
 * then, although the call succeeded.
 *
 * Keys get too old: `ticket_key_max_age` after a key was first given here it opens nothing any more, and
 * one session timeout before that it ceases to seal. If no others have been given by then, the library
 * makes its own until some are, and rekindle_stats() says so.
 *
 * From any thread, while handshakes run.
 */
enum TSReturnCode TSSslTicketKeyUpdate(char *ticketData,
                                       int ticketDataLength);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* REKINDLE_TS_H */
