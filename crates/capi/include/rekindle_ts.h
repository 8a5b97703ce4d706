/*
 * The calls of Traffic Server's manual page TSSslSession, with its names and types, for programs
 * without Traffic Server's headers. Set-up is in rekindle.h.
 *
 * If Traffic Server's own ts/ts.h is included first, this header declares nothing.
 *
 * Any thread may make these calls, also in a session hook; all but TSSslTicketKeyUpdate() are
 * lock-free, lookups wait-free. No call runs a hook or throws. The library reads what a pointer
 * points to during the call only.
 *
 * Every call fails if there is no cache, or if its session id is NULL or invalid. A lookup that
 * finds no live session returns the same, with an empty rekindle_last_error().
 */
/* TS_SSL_MAX_SSL_SESSION_ID_LENGTH is what ts/ts.h defines as well. */
#if !defined(REKINDLE_TS_H) && !defined(TS_SSL_MAX_SSL_SESSION_ID_LENGTH)
#define REKINDLE_TS_H

#include <stddef.h>

/// The longest session id, in bytes.
#define TS_SSL_MAX_SSL_SESSION_ID_LENGTH 32

/// Result of a call that can fail; rekindle_last_error() says why.
typedef enum TSReturnCode {
    /// Failure; nothing has changed.
    TS_ERROR = -1,
    /// Success.
    TS_SUCCESS = 0,
} TSReturnCode;

/// The events of session hooks; see rekindle_session_hook_add().
typedef enum TSEvent {
    /// A handshake is about to look a session up.
    TS_EVENT_SSL_SESSION_GET = 2000,
    /// A handshake has inserted a new session.
    TS_EVENT_SSL_SESSION_NEW = 2001,
    /// A handshake is about to remove a session.
    TS_EVENT_SSL_SESSION_REMOVE = 2002,
} TSEvent;

/// An `SSL` of OpenSSL: cast freely.
typedef struct tsapi_ssl_obj tsapi_ssl_obj;

/// An `SSL_SESSION` of OpenSSL: cast freely.
typedef struct tsapi_ssl_session tsapi_ssl_session;

/// A pointer to an `SSL_SESSION` of OpenSSL: cast freely.
typedef struct tsapi_ssl_session *TSSslSession;

/// A TLS session id: `len` bytes, 1 to 32. Every call refuses another length.
typedef struct TSSslSessionID_s {
    /// Number of bytes, 1 to 32.
    size_t len;
    /// The bytes; those behind `len` are ignored.
    char bytes[TS_SSL_MAX_SSL_SESSION_ID_LENGTH];
} TSSslSessionID_s;

/// See struct TSSslSessionID_s.
typedef struct TSSslSessionID_s TSSslSessionID;

/// A pointer to an `SSL` of OpenSSL: cast freely.
typedef struct tsapi_ssl_obj *TSSslConnection;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// Looks a session up.
///
/// Returns the session, an `SSL_SESSION *`, with a reference that the caller owns: free it with
/// SSL_SESSION_free(). The session is shared with the cache and with handshakes: treat it as
/// read-only, and change a copy (SSL_SESSION_dup()). It stays valid after the cache has ended.
///
/// NULL: failure, or no live session. It allocates nothing but what a thread's first call sets up.
TSSslSession TSSslSessionGet(const TSSslSessionID *sessionid);

/// Copies a session in its encoded form (DER, as i2d_SSL_SESSION() writes it), which other
/// processes and machines can read.
///
/// `*len_ptr` is the length of `buffer` in bytes. Returns the length of the encoded session in
/// bytes, however much of it was stored:
///
/// - it fits: the call stores all of it, and sets `*len_ptr` to its length;
/// - it does not fit: the call stores the first `*len_ptr` bytes and leaves `*len_ptr`. Ignore the
///   buffer, and call again with one as long as the value returned;
/// - `buffer` is NULL or `*len_ptr` is negative: the call stores nothing, and sets `*len_ptr` to 0.
///   This is how to ask for the length.
///
/// 0: failure (also if `len_ptr` is NULL), or no live session; `*len_ptr` and `buffer` are
/// untouched. It allocates nothing but what a thread's first call sets up. The encoded session is a
/// secret.
int TSSslSessionGetBuffer(const TSSslSessionID *sessionid, char *buffer, int *len_ptr);

/// Inserts a session under an id, until session time + session timeout. It replaces a session under
/// the same id in one atomic step.
///
/// The cache takes a reference of its own. The caller keeps its reference, and must not change the
/// session any more. The library ignores `ssl_conn`, which may be NULL.
///
/// TS_ERROR: failure, also if `add_session` is NULL or cannot be encoded, or its encoding is above
/// the configured limit. Nothing has changed, and rekindle_stats() counts it. (If the session
/// cannot be encoded, the call empties the thread's OpenSSL error queue.)
enum TSReturnCode TSSslSessionInsert(const TSSslSessionID *sessionid,
                                     TSSslSession add_session,
                                     TSSslConnection ssl_conn);

/// Removes the session under an id, if there is one. No lookup that starts after this call has
/// returned finds it. TS_SUCCESS also when there was no such session.
enum TSReturnCode TSSslSessionRemove(const TSSslSessionID *sessionid);

/// Replaces the session ticket keys of every context that is attached to the cache, in one atomic
/// step. (Contexts that were attached before a shutdown keep their keys.)
///
/// `ticketData` holds `ticketDataLength` bytes: records of 48 bytes, each a name (16), an HMAC
/// secret (16) and an AES key (16), as in Traffic Server's key files. The key of the first record
/// seals new tickets; the keys of all records open tickets. The library copies the keys; overwrite
/// yours.
///
/// TS_ERROR: `ticketData` is NULL, there is no whole record, a record's secrets are not random
/// bytes (text in any encoding, PEM, a pattern; of random ones fewer than one in a billion look
/// so), two records have one name or the same secrets, there are more than 4,096 records, or there
/// is no cache. The keys in use stay;
/// rekindle_last_error() names the record. The call ignores bytes behind the last whole record,
/// with a warning: rekindle_last_error() is not empty then, although the call succeeded.
///
/// Keys have a maximum age, `ticket_key_max_age`, from the first call that passed them. A key of
/// that age opens no ticket, and it stops sealing one session timeout before. If no other keys have
/// come by then, the library seals with keys of its own until some do, and rekindle_stats() says
/// so. Handshakes may run during the call.
enum TSReturnCode TSSslTicketKeyUpdate(char *ticketData, int ticketDataLength);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* REKINDLE_TS_H */
