/*
 * TSSslSessionGet and TSSslSessionGetBuffer neither allocate nor free, and no session ends on a
 * thread that only calls them. This program's own malloc() and free() replace the C library's and
 * count; sessions report the thread that they end on. (Compile with -fno-builtin: the compiler
 * assumes that malloc() changes no variable.)
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "rekindle.h"
#include "rekindle_ts.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t number, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *old);

/* Calls by this thread since it was set to zero. */
static _Thread_local unsigned long calls;

#define COUNTED(declaration, call)                                                                 \
    declaration {                                                                                  \
        calls++;                                                                                   \
        call;                                                                                      \
    }

COUNTED(void *malloc(size_t size), return __libc_malloc(size))
COUNTED(void *calloc(size_t number, size_t size), return __libc_calloc(number, size))
COUNTED(void *realloc(void *old, size_t size), return __libc_realloc(old, size))
COUNTED(void *aligned_alloc(size_t to, size_t size), return __libc_memalign(to, size))
COUNTED(int posix_memalign(void **new, size_t to, size_t size),
        return (*new = __libc_memalign(to, size)) == NULL)
COUNTED(void free(void *old), __libc_free(old))

/* Sessions made, sessions that have ended, and those that ended on a reading thread. */
static atomic_ulong made, ended, ended_by_reader;
static _Thread_local int reads;
static atomic_int writing = 1;
static int tally;

static void session_ends(void *session, void *data, CRYPTO_EX_DATA *ad, int index, long argl,
                         void *argp) {
    (void)session, (void)ad, (void)index, (void)argl, (void)argp;
    if (data != NULL) {
        atomic_fetch_add(&ended, 1);
        atomic_fetch_add(&ended_by_reader, (unsigned long)reads);
    }
}

enum { SESSIONS = 100, ROUNDS = 10000, OTHERS = 1 << 20 };

static TSSslSessionID id_of(unsigned number) {
    TSSslSessionID id;
    memset(&id, 0, sizeof id);
    id.len = sizeof number;
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

static int insert(unsigned number) {
    static const unsigned char key[48];
    TSSslSessionID id = id_of(number);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_SESSION *session = SSL_SESSION_new();
    atomic_fetch_add(&made, 1);
    int ok = SSL_SESSION_set_ex_data(session, tally, &tally) &&
             SSL_SESSION_set_cipher(session, sk_SSL_CIPHER_value(SSL_CTX_get_ciphers(ctx), 0)) &&
             SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) &&
             SSL_SESSION_set1_master_key(session, key, sizeof key) &&
             TSSslSessionInsert(&id, (TSSslSession)session, NULL) == TS_SUCCESS;
    SSL_SESSION_free(session);
    SSL_CTX_free(ctx);
    return ok;
}

/* Hits, misses and errors in turn. Whether each call returned the right value. */
static int look_up(unsigned rounds) {
    char buffer[4096];
    for (unsigned i = 0; i < rounds; i++) {
        int hit = i % 3 != 0, length = sizeof buffer;
        TSSslSessionID id = id_of(hit ? i % SESSIONS : SESSIONS + i);
        SSL_SESSION *session = (SSL_SESSION *)TSSslSessionGet(&id);
        /* The cache holds a reference: this frees nothing. */
        SSL_SESSION_free(session);
        if ((session != NULL) != hit || (TSSslSessionGetBuffer(&id, buffer, &length) > 0) != hit) {
            return 0;
        }
        id.len = 0;
        if (TSSslSessionGet(&id) != NULL || TSSslSessionGetBuffer(NULL, buffer, &length) != 0) {
            return 0;
        }
    }
    return 1;
}

static void *reader(void *failed) {
    reads = 1;
    /* A thread's first call sets up memory of its own. */
    int right = look_up(1);
    calls = 0;
    do {
        right = right && look_up(ROUNDS);
    } while (right && writing);
    unsigned long seen = calls;
    if (!right || seen != 0) {
        fprintf(stderr, "answers right: %d; allocations and frees: %lu\n", right, seen);
        *(int *)failed = 1;
    }
    return NULL;
}

static void *writer(void *failed) {
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (!insert(OTHERS + i % SESSIONS)) {
            *(int *)failed = 1;
        }
    }
    writing = 0;
    return NULL;
}

int main(void) {
    int failed[3] = {0, 0, 0};
    pthread_t threads[3];
    if (rekindle_init(NULL) != 0) {
        return 1;
    }
    tally = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, session_ends);
    for (unsigned i = 0; i < SESSIONS; i++) {
        if (!insert(i)) {
            fprintf(stderr, "%s\n", rekindle_last_error());
            return 1;
        }
    }
    calls = 0;
    free(malloc(1));
    if (calls != 2) {
        fprintf(stderr, "these are not the malloc() and free() that are called\n");
        return 1;
    }
    /* Two threads read, while one replaces other sessions, whose memory the cache then reclaims. (It
     * leaves the sessions that are read: a reader's SSL_SESSION_free() would end one of its own.) */
    for (int i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, i < 2 ? reader : writer, &failed[i]);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    unsigned long before = ended;
    rekindle_shutdown();
    if (before == 0 || ended != made || ended_by_reader != 0) {
        fprintf(stderr, "of %lu sessions %lu ended, %lu before shutdown, %lu on a reader's thread\n",
                made, ended, before, ended_by_reader);
        return 1;
    }
    return failed[0] || failed[1] || failed[2];
}
