/*
 * TSSslSessionGet and TSSslSessionGetBuffer neither allocate nor free, and no session ends on a
 * thread that only calls them. This program's own malloc() and free() replace the C library's and
 * count; sessions report the thread that they end on. (Compile with -fno-builtin: the compiler
 * assumes that malloc() changes no variable.)
 */
#include <pthread.h>
#include <stdatomic.h>

#include "contract/contract.h"

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

static TSSslSessionID numbered(unsigned number) {
    TSSslSessionID id = {.len = sizeof number};
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

static void insert_new(unsigned number) {
    TSSslSessionID id = numbered(number);
    SSL_SESSION *session = make_session(&id, 0, 300, 0);
    atomic_fetch_add(&made, 1);
    CHECK(SSL_SESSION_set_ex_data(session, tally, &tally));
    insert(&id, session);
    SSL_SESSION_free(session);
}

/* Hits, misses and errors in turn. */
static void look_up(unsigned rounds) {
    char buffer[4096];
    for (unsigned i = 0; i < rounds; i++) {
        int hit = i % 3 != 0, length = sizeof buffer;
        TSSslSessionID id = numbered(hit ? i % SESSIONS : SESSIONS + i);
        /* The cache holds a reference: there() frees nothing. */
        CHECK(there(&id) == hit && (TSSslSessionGetBuffer(&id, buffer, &length) > 0) == hit);
        id.len = 0;
        CHECK(TSSslSessionGet(&id) == NULL && TSSslSessionGetBuffer(NULL, buffer, &length) == 0);
    }
}

static void *reader(void *unused) {
    reads = 1;
    /* A thread's first call sets up memory of its own. */
    look_up(1);
    calls = 0;
    do {
        look_up(ROUNDS);
    } while (writing);
    CHECK(calls == 0);
    return unused;
}

static void *writer(void *unused) {
    for (unsigned i = 0; i < ROUNDS; i++) {
        insert_new(OTHERS + i % SESSIONS);
    }
    writing = 0;
    return unused;
}

int main(void) {
    pthread_t threads[3];
    CHECK(rekindle_init(NULL) == 0);
    tally = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, session_ends);
    for (unsigned i = 0; i < SESSIONS; i++) {
        insert_new(i);
    }
    calls = 0;
    free(malloc(1));
    CHECK(calls == 2); /* This program's malloc() and free() are the ones that are called. */
    /* Two threads read, while one replaces other sessions, whose memory the cache then reclaims.
     * (The sessions that are read stay: a reader's SSL_SESSION_free() would end a replaced one.) */
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_create(&threads[i], NULL, i < 2 ? reader : writer, NULL) == 0);
    }
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK(ended > 0);
    rekindle_shutdown();
    CHECK(ended == made && ended_by_reader == 0);
    return 0;
}
