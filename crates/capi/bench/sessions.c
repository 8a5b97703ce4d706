/*
 * The session calls of Traffic Server's plugin API under load: GetBuffer, Get, Insert, and a mix.
 *
 * One source, two builds that do the same work:
 *   - a program with librekindle: `sessions REQUESTS ANSWERS CAPACITY`,
 *   - with -DTRAFFIC_SERVER_PLUGIN, a plugin that measures the server which loads it; in
 *     plugin.config: `sessions.so REQUESTS ANSWERS`.
 *
 * REQUESTS and ANSWERS are FIFOs. Once the cache is filled the answer is "ready", with the length
 * of an encoded session. Each request is a line "LOAD THREADS" and runs one round; the answer is
 * "NANOSECONDS HIT-SHARE", the nanoseconds of one operation of one thread. Between rounds every
 * thread sleeps, and the other side takes its turn. The end of REQUESTS ends the process. After a
 * wrong result of any call the answer is "error REASON", and the process ends with status 1.
 *
 * A full line of Rekindle's cache gives up a session before the cache is full. Such a session must
 * be in the cache's own count of them, MOST_MISSING is the most of them, and the share of hits
 * shows them. Any other missing session is an error.
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#ifdef TRAFFIC_SERVER_PLUGIN
#include <signal.h>
#include <ts/ts.h>
#else
#include "rekindle.h"
#include "rekindle_ts.h"
#endif

enum {
    SESSIONS = 50000,
    MOST_THREADS = 4,
    ID_LENGTH = TS_SSL_MAX_SSL_SESSION_ID_LENGTH,
    MOST_ENCODED = 256, /* bytes; Traffic Server keeps no session that is larger */
    NEW_SESSIONS = 10000, /* made for each thread in a round that inserts */
    MOST_MISSING = SESSIONS / 500, /* 0.2 %, as at full capacity */
};

typedef struct {
    TSSslSessionID id;
    SSL_SESSION *session;
} new_session;

/* Each operation writes to it: on its own cache lines, for no other thread's writes to count. */
typedef struct {
    _Alignas(128) size_t next; /* index into `known` */
    uint64_t misses; /* lookups of the round that found no session */
    uint64_t missing; /* new sessions of the round that were not in the cache at its end */
    uint64_t random; /* state of next_random() */
    uint64_t started; /* nanoseconds, as `ended` */
    uint64_t ended;
    unsigned index;
    TSSslSessionID known[SESSIONS]; /* the ids in the cache, in an order of the thread's own */
    new_session fresh[NEW_SESSIONS];
} worker;

/* In each step of a round, each thread makes some lookups and then perhaps an insert. */
typedef struct {
    const char *name;
    void (*look_up)(worker *);
    unsigned steps;
    unsigned lookups;
    bool inserts;
} load;

static worker workers[MOST_THREADS];
static FILE *requests, *answers;

/* The present round. All workers and the thread that asks meet at `hand_over` before and after it;
 * the workers of the round start together. */
static const load *round_load;
static unsigned round_threads;
static pthread_barrier_t hand_over, start_line;

/* Common to all sessions. */
static const SSL_CIPHER *cipher;
static time_t session_time;
static int encoded_length;
static size_t id_offset;

static _Noreturn void fail(const char *reason) {
    fprintf(answers, "error %s\n", reason);
    fflush(answers);
    _exit(1);
}

static void require(bool fact, const char *reason) {
    if (!fact) {
        fail(reason);
    }
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* splitmix64: fast, and the same numbers on both sides. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void fill_random(uint64_t *state, void *buffer, size_t length) {
    for (size_t done = 0; done < length; done += sizeof(uint64_t)) {
        uint64_t word = next_random(state);
        memcpy((char *)buffer + done, &word, sizeof word);
    }
}

/* A TLS 1.2 session under a new id, as a server has it after a full handshake with SNI. */
static new_session make_session(uint64_t *random) {
    new_session made = {.id = {.len = ID_LENGTH}, .session = SSL_SESSION_new()};
    fill_random(random, made.id.bytes, ID_LENGTH);
    unsigned char master_key[48];
    fill_random(random, master_key, sizeof master_key);
    static const unsigned char context[32] = "the context of this benchmark";

    SSL_SESSION *s = made.session;
    require(s != NULL && SSL_SESSION_set_protocol_version(s, TLS1_2_VERSION) == 1 &&
                SSL_SESSION_set_cipher(s, cipher) == 1 &&
                SSL_SESSION_set1_id(s, (const unsigned char *)made.id.bytes, ID_LENGTH) == 1 &&
                SSL_SESSION_set1_id_context(s, context, sizeof context) == 1 &&
                SSL_SESSION_set1_master_key(s, master_key, sizeof master_key) == 1 &&
                SSL_SESSION_set1_hostname(s, "www.resumption.example.org") == 1 &&
                SSL_SESSION_set_time(s, (long)session_time) != 0 &&
                SSL_SESSION_set_timeout(s, 7200) == 1,
            "OpenSSL cannot make a session");
    return made;
}

static int encode(SSL_SESSION *session, unsigned char *der) {
    int length = i2d_SSL_SESSION(session, NULL);
    require(length > 0 && length <= MOST_ENCODED, "an encoded session has the wrong length");
    return i2d_SSL_SESSION(session, &der);
}

/* The encoding's length and the id's offset in it, which are the same for all sessions. */
static void measure_encoding(void) {
    uint64_t random = 0;
    new_session sample = make_session(&random);
    unsigned char der[MOST_ENCODED];
    encoded_length = encode(sample.session, der);
    while (memcmp(der + id_offset, sample.id.bytes, ID_LENGTH) != 0) {
        id_offset++;
        require(id_offset + ID_LENGTH <= (size_t)encoded_length, "an encoding without its id");
    }
    SSL_SESSION_free(sample.session);
}

/* The next id depends on the last answer: otherwise the processor would overlap lookups, which in a
 * server are a handshake apart. `zero` is 0, which neither compiler nor processor can know. */
static void step(worker *w, int zero) {
    volatile int unknown = zero;
    size_t next = w->next + 1 + (size_t)unknown;
    w->next = next < SESSIONS ? next : 0;
}

static bool is_id(const void *bytes, const TSSslSessionID *id) {
    return memcmp(bytes, id->bytes, ID_LENGTH) == 0;
}

static void get_buffer(worker *w) {
    const TSSslSessionID *id = &w->known[w->next];
    unsigned char der[MOST_ENCODED];
    int stored = sizeof der;
    int length = TSSslSessionGetBuffer(id, (char *)der, &stored);
    if (length == 0) {
        w->misses++;
        step(w, 0);
        return;
    }
    require(length == encoded_length && stored == length, "GetBuffer: wrong length");
    require(is_id(der + id_offset, id), "GetBuffer: wrong session");
    step(w, der[id_offset] ^ (unsigned char)id->bytes[0]);
}

/* Includes freeing, which is the duty of every caller that gets a reference. */
static void get(worker *w) {
    const TSSslSessionID *id = &w->known[w->next];
    SSL_SESSION *session = (SSL_SESSION *)TSSslSessionGet(id);
    if (session == NULL) {
        w->misses++;
        step(w, 0);
        return;
    }
    unsigned length;
    const unsigned char *found = SSL_SESSION_get_id(session, &length);
    require(length == ID_LENGTH && is_id(found, id), "Get: wrong session");
    step(w, found[0] ^ (unsigned char)id->bytes[0]);
    SSL_SESSION_free(session);
}

static void insert(const new_session *s) {
    TSReturnCode code = TSSslSessionInsert(&s->id, (TSSslSession)s->session, NULL);
    require(code == TS_SUCCESS, "Insert: refused");
}

static const load loads[] = {
    {"GetBuffer", get_buffer, 200000, 1, false},
    {"Get", get, 100000, 1, false},
    {"Insert", get_buffer, NEW_SESSIONS, 0, true},
    {"mix", get_buffer, NEW_SESSIONS, 4, true}, /* 80 % GetBuffer, 20 % Insert */
};

static void operate(worker *w, const load *l) {
    for (unsigned i = 0; i < l->steps; i++) {
        for (unsigned j = 0; j < l->lookups; j++) {
            l->look_up(w);
        }
        if (l->inserts) {
            insert(&w->fresh[i]);
        }
    }
}

/* Whether the cache has the session; if so, byte for byte as OpenSSL encodes it. */
static bool is_stored(const new_session *s) {
    unsigned char expected[MOST_ENCODED], der[MOST_ENCODED];
    int expected_length = encode(s->session, expected);
    int stored = sizeof der;
    int length = TSSslSessionGetBuffer(&s->id, (char *)der, &stored);
    if (length == 0) {
        return false;
    }
    require(length == expected_length && stored == length, "a stored session has a wrong length");
    require(memcmp(der, expected, (size_t)length) == 0, "a stored session has wrong bytes");
    return true;
}

/* Removes what the round has inserted. */
static void take_back(const new_session *s, worker *w) {
    w->missing += !is_stored(s);
    require(TSSslSessionRemove(&s->id) == TS_SUCCESS, "Remove: refused");
    require(!is_stored(s), "Remove: the session is still there");
    SSL_SESSION_free(s->session);
}

/* One round; only operate() is timed. */
static void work(worker *w, const load *l) {
    unsigned new_sessions = l->inserts ? NEW_SESSIONS : 0;
    /* The other side's turn has left the processor's caches cold. */
    for (unsigned i = 0; i < SESSIONS; i++) {
        l->look_up(w);
    }
    w->misses = w->missing = 0;
    for (unsigned i = 0; i < new_sessions; i++) {
        w->fresh[i] = make_session(&w->random);
    }
    pthread_barrier_wait(&start_line);
    w->started = now();
    operate(w, l);
    w->ended = now();
    /* No worker removes while another is still being timed. */
    pthread_barrier_wait(&start_line);
    for (unsigned i = 0; i < new_sessions; i++) {
        take_back(&w->fresh[i], w);
    }
}

static void *work_when_asked(void *data) {
    worker *w = data;
    for (;;) {
        pthread_barrier_wait(&hand_over);
        if (w->index < round_threads) {
            work(w, round_load);
        }
        pthread_barrier_wait(&hand_over);
    }
    return NULL;
}

/* Sessions that full lines have given up; no other eviction has a reason. */
static uint64_t given_up_by_full_lines(void) {
#ifdef TRAFFIC_SERVER_PLUGIN
    return 0;
#else
    struct rekindle_stats s = {.size = sizeof s};
    require(rekindle_stats(&s) == 0, rekindle_last_error());
    require(s.evicted_expired + s.evicted_unused + s.evicted_idle == 0, "the cache was too small");
    return s.evicted_line_full;
#endif
}

/* Each session that is missing must have been given up by a full line: those inserted at the start,
 * and the new ones of all rounds. */
static void account_for_missing(uint64_t new_ones) {
    static uint64_t new_ones_of_all_rounds;
    worker *w = &workers[0];
    w->misses = 0;
    for (unsigned i = 0; i < SESSIONS; i++) {
        get_buffer(w); /* Of each known session once. */
    }
    new_ones_of_all_rounds += new_ones;
    require(w->misses + new_ones_of_all_rounds == given_up_by_full_lines(),
            "a session is missing that no full line gave up");
    require(w->misses <= MOST_MISSING, "full lines gave up more than 0.2 % of the sessions");
}

static void run_round(const load *l, unsigned threads) {
    round_load = l;
    round_threads = threads;
    pthread_barrier_init(&start_line, NULL, threads);
    pthread_barrier_wait(&hand_over);
    pthread_barrier_wait(&hand_over);
    pthread_barrier_destroy(&start_line);

    uint64_t started = workers[0].started, ended = workers[0].ended, misses = 0, missing = 0;
    for (const worker *w = workers; w < workers + threads; w++) {
        started = w->started < started ? w->started : started;
        ended = w->ended > ended ? w->ended : ended;
        misses += w->misses;
        missing += w->missing;
    }
    account_for_missing(missing);
    /* Each operation counts: a lookup as it ends, an Insert as take_back() finds it. */
    double operations = (double)l->steps * (l->lookups + l->inserts);
    fprintf(answers, "%.2f %.6f\n", (double)(ended - started) / operations,
            1 - (double)(misses + missing) / (operations * threads));
    fflush(answers);
}

static void fill_cache(void) {
    static new_session all[SESSIONS];
    uint64_t random = 1;
    for (unsigned i = 0; i < SESSIONS; i++) {
        all[i] = make_session(&random);
        insert(&all[i]);
    }
    for (unsigned i = 0; i < SESSIONS; i++) {
        is_stored(&all[i]); /* What is there has the right bytes. */
        SSL_SESSION_free(all[i].session);
        for (worker *w = workers; w < workers + MOST_THREADS; w++) {
            /* Fisher-Yates shuffle, inside out. */
            size_t j = next_random(&w->random) % (i + 1);
            w->known[i] = w->known[j];
            w->known[j] = all[i].id;
        }
    }
    account_for_missing(0);
}

static bool start_thread(void *(*run)(void *), void *data) {
#ifdef TRAFFIC_SERVER_PLUGIN
    /* Only the server's own threads may use its statistics and free lists. */
    return TSThreadCreate(run, data) != NULL;
#else
    pthread_t thread;
    return pthread_create(&thread, NULL, run, data) == 0;
#endif
}

static void prepare(void) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL *ssl = context != NULL ? SSL_new(context) : NULL;
    require(ssl != NULL, "OpenSSL gives no connection");
    cipher = SSL_CIPHER_find(ssl, (const unsigned char *)"\xc0\x2f"); /* ECDHE, RSA, AES-128-GCM */
    session_time = time(NULL);
    measure_encoding();

    pthread_barrier_init(&hand_over, NULL, MOST_THREADS + 1);
    for (unsigned i = 0; i < MOST_THREADS; i++) {
        workers[i].index = i;
        workers[i].random = UINT64_C(1000) * (i + 1);
    }
    fill_cache();
    for (unsigned i = 0; i < MOST_THREADS; i++) {
        require(start_thread(work_when_asked, &workers[i]), "no thread");
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
}

static void serve(void) {
    prepare();
    fprintf(answers, "ready %d\n", encoded_length);
    fflush(answers);

    char name[16];
    unsigned threads;
    while (fscanf(requests, "%15s %u", name, &threads) == 2) {
        const load *l = loads, *end = loads + sizeof loads / sizeof *loads;
        while (l < end && strcmp(l->name, name) != 0) {
            l++;
        }
        require(l < end && threads >= 1 && threads <= MOST_THREADS, "unknown request");
        run_round(l, threads);
    }
}

static bool open_fifos(const char *requests_path, const char *answers_path) {
    requests = fopen(requests_path, "r");
    answers = fopen(answers_path, "w");
    return requests != NULL && answers != NULL;
}

#ifdef TRAFFIC_SERVER_PLUGIN

static void *serve_and_end(void *data) {
    (void)data;
    serve();
    kill(getpid(), SIGTERM);
    return NULL;
}

/* The server makes its session cache after it has loaded the plugins. */
static int on_ports_ready(TSCont continuation, TSEvent event, void *data) {
    (void)continuation, (void)event, (void)data;
    require(start_thread(serve_and_end, NULL), "no thread");
    return 0;
}

void TSPluginInit(int argc, const char *argv[]) {
    TSPluginRegistrationInfo info = {
        .plugin_name = "sessions", .vendor_name = "Rekindle", .support_email = "none"};
    if (argc != 3 || TSPluginRegister(&info) != TS_SUCCESS || !open_fifos(argv[1], argv[2])) {
        TSFatal("sessions: arguments are REQUESTS ANSWERS, two FIFOs");
    }
    TSLifecycleHookAdd(TS_LIFECYCLE_PORTS_READY_HOOK, TSContCreate(on_ports_ready, NULL));
}

#else

int main(int argc, char **argv) {
    if (argc != 4 || !open_fifos(argv[1], argv[2])) {
        fprintf(stderr, "usage: sessions REQUESTS ANSWERS CAPACITY\n");
        return 2;
    }
    rekindle_config config = {.size = sizeof config, .sessions = strtoull(argv[3], NULL, 10)};
    require(rekindle_init(&config) == 0, rekindle_last_error());
    serve();
    rekindle_shutdown();
    return 0;
}

#endif
