/* The calls from several threads at a time. */
#include "tls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>

enum { THREADS = 4, IDS = 8 };

static pthread_t spawn(void *(*body)(void *), void *argument) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, argument) == 0);
    return thread;
}

static pthread_t threads[THREADS];

/* Runs `body` with one argument on all threads. */
static void spawn_all(void *(*body)(void *), void *argument) {
    for (int i = 0; i < THREADS; i++) {
        threads[i] = spawn(body, argument);
    }
}

static void join_all(void) {
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

static TSSslSessionID numbered(unsigned number) {
    char text[16];
    snprintf(text, sizeof text, "id %u", number % IDS);
    return id_of(text);
}

/* Checks that the session is that of `id`, and frees it. */
static void expect(const TSSslSessionID *id, SSL_SESSION *session) {
    unsigned own;
    CHECK(session != NULL);
    const unsigned char *bytes = SSL_SESSION_get_id(session, &own);
    CHECK(own == id->len && memcmp(bytes, id->bytes, own) == 0);
    SSL_SESSION_free(session);
}

/* Looks a session up in both ways. */
static void look_up(const TSSslSessionID *id) {
    unsigned char buffer[1024];
    int length = sizeof buffer;
    SSL_SESSION *session = (SSL_SESSION *)TSSslSessionGet(id);
    if (session != NULL) {
        expect(id, session);
    }
    if (TSSslSessionGetBuffer(id, (char *)buffer, &length) > 0) {
        const unsigned char *at = buffer;
        expect(id, d2i_SSL_SESSION(NULL, &at, length));
    }
}

static void *mix(void *seed) {
    unsigned random = atomic_fetch_add((atomic_uint *)seed, 1) * 2654435761u;
    for (int i = 0; i < 20000 / thrift; i++) {
        random = random * 1664525u + 1013904223u;
        TSSslSessionID id = numbered(random >> 16);
        switch (random >> 28) {
        case 0:
        case 1:
        case 2:
            put(&id);
            break;
        case 3:
            CHECK(TSSslSessionRemove(&id) == TS_SUCCESS);
            break;
        case 4:
            SSL_SESSION_free(rekindle_session_take(&id));
            break;
        default:
            look_up(&id);
        }
    }
    return NULL;
}

CASE(every_call_from_every_thread) {
    atomic_uint seed = 1;
    int before = sessions_freed();
    start(IDS / 2);
    spawn_all(mix, &seed);
    join_all();
    struct rekindle_stats s = stats();
    CHECK(s.entries <= IDS / 2 + THREADS && s.hits > 0 && s.inserts > 0 && s.taken > 0);
    unsigned long long made = s.inserts + s.replaced + s.refused_reclamation;
    rekindle_shutdown();
    /* Nothing leaks, nothing is freed twice. */
    CHECK((unsigned long long)(sessions_freed() - before) == made);
}

static atomic_int winners;

static void *take(void *id) {
    SSL_SESSION *session = rekindle_session_take(id);
    if (session != NULL) {
        atomic_fetch_add(&winners, 1);
        SSL_SESSION_free(session);
    }
    return NULL;
}

CASE_WITH_ID(of_many_takes_one_wins) {
    for (int i = 0; i < 500 / thrift; i++) {
        atomic_store(&winners, 0);
        put(&id);
        spawn_all(take, &id);
        join_all();
        CHECK(atomic_load(&winners) == 1);
    }
}

static void *replace(void *id) {
    for (int i = 0; i < 2000 / thrift; i++) {
        put(id);
    }
    return NULL;
}

/* No reader sees the moment between the old session and the new one. */
CASE_WITH_ID(a_replaced_session_is_always_there) {
    put(&id);
    pthread_t writer = spawn(replace, &id);
    for (int i = 0; i < 20000 / thrift; i++) {
        CHECK(there(&id));
    }
    CHECK(pthread_join(writer, NULL) == 0);
}

static atomic_int over;

static void *call_on(void *seed) {
    while (!atomic_load(&over)) {
        TSSslSessionID id = numbered(atomic_fetch_add((atomic_uint *)seed, 1));
        SSL_SESSION *session = make_session(&id, 0, 300, 0);
        (void)TSSslSessionInsert(&id, (TSSslSession)session, NULL);
        SSL_SESSION_free(session);
        look_up(&id);
        (void)TSSslSessionRemove(&id);
        SSL_SESSION_free(rekindle_session_take(&id));
        struct rekindle_stats s = {.size = sizeof s};
        (void)rekindle_stats(&s);
    }
    return NULL;
}

CASE(shutdown_with_calls_in_flight) {
    atomic_uint seed = 0;
    SSL_CTX *contexts[500];
    int before = sessions_freed(), rounds = 500 / thrift;
    atomic_store(&over, 0);
    spawn_all(call_on, &seed);
    for (int i = 0; i < rounds; i++) {
        start(IDS);
        /* A context keeps a part of the cache, which must hold no session. */
        contexts[i] = new_context();
        CHECK(rekindle_attach(contexts[i]) == 0);
        while (stats().inserts == 0) {
            sched_yield();
        }
        rekindle_shutdown();
    }
    atomic_store(&over, 1);
    join_all();
    /* No call is in flight now: this releases what the last ones had left. */
    rekindle_shutdown();
    CHECK(sessions_freed() - before == (int)atomic_load(&seed));
    for (int i = 0; i < rounds; i++) {
        SSL_CTX_free(contexts[i]);
    }
}

static void *init_once(void *successes) {
    if (rekindle_init(NULL) == 0) {
        atomic_fetch_add((atomic_int *)successes, 1);
    }
    return NULL;
}

CASE(of_many_inits_one_succeeds) {
    for (int i = 0; i < 50 / thrift + 1; i++) {
        atomic_int successes = 0;
        spawn_all(init_once, &successes);
        join_all();
        CHECK(atomic_load(&successes) == 1);
        rekindle_shutdown();
    }
}

static void *visit_often(void *peers) {
    struct peers own = *(struct peers *)peers;
    own.client = new_client(own.way);
    visit(&own);
    for (int i = 0; i < 100 / thrift + 1; i++) {
        CHECK(come_back(&own));
    }
    SSL_SESSION_free(own.session);
    SSL_CTX_free(own.client);
    return NULL;
}

static void count(int event, const TSSslSessionID *id, void *data) {
    (void)event, (void)id;
    atomic_fetch_add((atomic_int *)data, 1);
}

CASE_FOR(ALL_WAYS, handshakes_while_hooks_are_added_and_keys_rotate) {
    atomic_int calls = 0;
    char records[2 * RECORD];
    make_record(records, 'a');
    make_record(records + RECORD, 'b');
    /* The key in use from the start stays in every set. */
    CHECK(TSSslTicketKeyUpdate(records + RECORD, RECORD) == TS_SUCCESS);
    CHECK(rekindle_session_hook_add(count, &calls) == 0);
    spawn_all(visit_often, peers);
    for (int i = 0; i < 20; i++) {
        CHECK(rekindle_session_hook_add(count, &calls) == 0);
        int length = i % 2 ? 2 * RECORD : 0;
        CHECK(TSSslTicketKeyUpdate(records, length) == (length ? TS_SUCCESS : TS_ERROR));
        sched_yield();
    }
    join_all();
    CHECK((atomic_load(&calls) > 0) == ((peers->way & STATEFUL) != 0));
}

static void *fail_otherwise(void *argument) {
    (void)argument;
    for (int i = 0; i < 1000; i++) {
        CHECK(TSSslTicketKeyUpdate(NULL, 0) == TS_ERROR && said("ticket key data"));
    }
    return NULL;
}

CASE(each_thread_has_its_own_last_error) {
    start(10);
    pthread_t other = spawn(fail_otherwise, NULL);
    for (int i = 0; i < 1000; i++) {
        CHECK(TSSslSessionRemove(NULL) == TS_ERROR && said("session id"));
    }
    CHECK(pthread_join(other, NULL) == 0);
}
