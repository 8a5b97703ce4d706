/*
 * The contract of the C API, row by row. A case runs in a process of its own, or after other cases
 * in one process. It begins without a cache; main() ends the cache that it leaves.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

/* The same source is compiled with Traffic Server's own header and with ours. */
#ifdef WITH_TRAFFIC_SERVER
#include <ts/ts.h>
#endif
#include "rekindle.h"
#include "rekindle_ts.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail(__FILE__, __LINE__, #condition);                                                  \
        }                                                                                          \
    } while (0)

/* Prints the condition and the library's last error, and ends the process. */
_Noreturn void fail(const char *file, int line, const char *condition);

/* Defines a case, which main() finds by its name: CASE(name) { body } */
#define CASE(name)                                                                                 \
    void case_##name(void);                                                                        \
    void case_##name(void)

/* Defines a case with a cache for ten sessions and an id: CASE_WITH_ID(name) { body with `id` } */
#define CASE_WITH_ID(name)                                                                         \
    static void name##_with(TSSslSessionID id);                                                    \
    CASE(name) {                                                                                   \
        start(10);                                                                                 \
        name##_with(id_of("id"));                                                                  \
    }                                                                                              \
    static void name##_with(TSSslSessionID id)

/* Divides repetitions: 1, or more where a memory checker slows the program down. */
extern int thrift;

/* Makes a cache with a capacity of `sessions`. */
void start(size_t sessions);

struct rekindle_stats stats(void);

/* Whether the calling thread's last error contains `text`. */
int said(const char *text);

TSSslSessionID id_of(const char *text);

/* A server's context without a certificate, with a session id context. */
SSL_CTX *new_context(void);

/* A TLS 1.2 session under an id, `age` seconds old, encoded in about 120 bytes and `extra` more. */
SSL_SESSION *make_session(const TSSslSessionID *id, long age, long timeout, size_t extra);

/* Writes a record for TSSslTicketKeyUpdate(): a name of one byte, and secrets that look random and
 * are the same for the same name. */
enum { RECORD = 48 };
void make_record(char *at, char name);

/* Inserts a session, which must succeed. */
void insert(const TSSslSessionID *id, SSL_SESSION *session);

/* Inserts a new session and frees the caller's reference to it; put() for five minutes. */
void put_new(const TSSslSessionID *id, long age, long timeout, size_t extra);
void put(const TSSslSessionID *id);

/* How many sessions of make_session() have been freed. */
int sessions_freed(void);

/* Whether TSSslSessionGet() finds a session. */
int there(const TSSslSessionID *id);

#endif
