/*
 * The contract of the C API (shared/CONTRACT.md), row by row. Each case runs in a process of its own
 * or after the others in one; it begins without a cache and ends without one.
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

/* Says what went wrong and what the library says of it, and ends the process. */
_Noreturn void fail(const char *file, int line, const char *condition);

struct test_case {
    const char *name;
    void (*run)(void);
};

#define CASE(name) {#name, name}
#define END_OF_CASES {NULL, NULL}

extern const struct test_case LIFECYCLE_CASES[];
extern const struct test_case SESSION_CASES[];
extern const struct test_case HOOK_CASES[];
extern const struct test_case TICKET_CASES[];
extern const struct test_case HANDSHAKE_CASES[];
extern const struct test_case THREAD_CASES[];

/* Divides what a case repeats: 1, or more where a memory checker slows everything down. */
extern int thrift;

/* A cache with room for `sessions`; fails the case if there is none to be had. */
void start(size_t sessions);

struct rekindle_stats stats(void);

/* The calling thread's last error contains `text`. */
int said(const char *text);

TSSslSessionID id_of(const char *text);

/* A session of TLS 1.2 under an id, of that age, encoded in some 120 bytes and `extra` more. */
SSL_SESSION *make_session(const TSSslSessionID *id, long age, long timeout, size_t extra);

/* Makes a session, inserts it, and lets go of it. */
void put(const TSSslSessionID *id);

/* How often sessions from make_session() have been freed. */
int sessions_freed(void);

/* TSSslSessionGet() and SSL_SESSION_free(): whether there was one. */
int there(const TSSslSessionID *id);

#endif
