/* The same calls from several threads at a time. */
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

/* Runs `body` on all threads with one argument, to the end. */
static void together(void *(*body)(void *), void *argument) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        threads[i] = spawn(body, argument);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

static TSSslSessionID numbered(unsigned number) {
    char text[16];
    snprintf(text, sizeof text, "id %u", number % IDS);
    return id_of(text);
}

/* Looks a session up under `id`, in both ways: it must be that id's. */
static void look(const TSSslSessionID *id) {
    unsigned char buffer[1024];
    int length = sizeof buffer;
    unsigned own;
    SSL_SESSION *session = (SSL_SESSION *)TSSslSessionGet(id);
    if (session != NULL) {
        const unsigned char *bytes = SSL_SESSION_get_id(session, &own);
        CHECK(own == id->len && memcmp(bytes, id->bytes, own) == 0);
        SSL_SESSION_free(session);
    }
    if (TSSslSessionGetBuffer(id, (char *)buffer, &length) > 0) {
        const unsigned char *at = buffer;
        session = d2i_SSL_SESSION(NULL, &at, length);
        CHECK(session != NULL);
        const unsigned char *bytes = SSL_SESSION_get_id(session, &own);
        CHECK(own == id->len && memcmp(bytes, id->bytes, own) == 0);
        SSL_SESSION_free(session);
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
            look(&id);
        }
    }
    return NULL;
}

static void every_call_from_every_thread(void) {
    atomic_uint seed = 1;
    int before = sessions_freed();
    start(IDS / 2);
    together(mix, &seed);
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

static void of_many_takes_one_wins(void) {
    TSSslSessionID id = id_of("id");
    start(10);
    for (int i = 0; i < 500 / thrift; i++) {
        atomic_store(&winners, 0);
        put(&id);
        together(take, &id);
        CHECK(atomic_load(&winners) == 1);
    }
}

static void *replace(void *id) {
    for (int i = 0; i < 2000 / thrift; i++) {
        put(id);
    }
    return NULL;
}

/* No reader ever sees neither. */
static void a_replaced_session_is_always_there(void) {
    TSSslSessionID id = id_of("id");
    start(10);
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
        look(&id);
        (void)TSSslSessionRemove(&id);
        SSL_SESSION_free(rekindle_session_take(&id));
        struct rekindle_stats s = {.size = sizeof s};
        (void)rekindle_stats(&s);
    }
    return NULL;
}

static void shutdown_with_calls_in_flight(void) {
    atomic_uint seed = 0;
    pthread_t threads[THREADS];
    SSL_CTX *contexts[500];
    int before = sessions_freed(), rounds = 500 / thrift;
    atomic_store(&over, 0);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = spawn(call_on, &seed);
    }
    for (int i = 0; i < rounds; i++) {
        start(IDS);
        /* It keeps what it needs of this cache; that must not be any session. */
        contexts[i] = SSL_CTX_new(TLS_server_method());
        CHECK(rekindle_attach(contexts[i]) == 0);
        while (stats().inserts == 0) {
            sched_yield();
        }
        rekindle_shutdown();
    }
    atomic_store(&over, 1);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    /* Nobody is in a call now: what those in flight had left is released. */
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

static void of_many_inits_one_succeeds(void) {
    for (int i = 0; i < 50 / thrift + 1; i++) {
        atomic_int successes = 0;
        together(init_once, &successes);
        CHECK(atomic_load(&successes) == 1);
        rekindle_shutdown();
    }
}

struct visitor {
    SSL_CTX *server;
    enum way way;
};

static void *visit_often(void *argument) {
    const struct visitor *visitor = argument;
    struct peers peers = {visitor->server, new_client(visitor->way)};
    SSL_SESSION *session = visit(&peers);
    for (int i = 0; i < 100 / thrift + 1; i++) {
        CHECK(come_back(&peers, &session));
    }
    SSL_SESSION_free(session);
    SSL_CTX_free(peers.client);
    return NULL;
}

static void count(int event, const TSSslSessionID *id, void *data) {
    (void)event, (void)id;
    atomic_fetch_add((atomic_int *)data, 1);
}

static void handshakes_while_hooks_are_added_and_keys_rotate(void) {
    for (enum way way = TLS12_ID; way < WAYS; way++) {
        atomic_int calls = 0;
        pthread_t threads[THREADS];
        char records[96];
        for (int i = 0; i < 96; i++) {
            records[i] = (char)(i * 73);
        }
        start(1000);
        /* The key that is in use from the start stays in every set. */
        CHECK(TSSslTicketKeyUpdate(records + 48, 48) == TS_SUCCESS);
        struct visitor visitor = {new_server(way), way};
        CHECK(rekindle_session_hook_add(count, &calls) == 0);
        for (int i = 0; i < THREADS; i++) {
            threads[i] = spawn(visit_often, &visitor);
        }
        for (int i = 0; i < 20; i++) {
            CHECK(rekindle_session_hook_add(count, &calls) == 0);
            CHECK(TSSslTicketKeyUpdate(records, i % 2 ? 96 : 0) == (i % 2 ? TS_SUCCESS : TS_ERROR));
            sched_yield();
        }
        for (int i = 0; i < THREADS; i++) {
            CHECK(pthread_join(threads[i], NULL) == 0);
        }
        CHECK((atomic_load(&calls) > 0) == !is_stateless(way));
        SSL_CTX_free(visitor.server);
        rekindle_shutdown();
    }
}

static void *fail_otherwise(void *argument) {
    (void)argument;
    for (int i = 0; i < 1000; i++) {
        CHECK(TSSslTicketKeyUpdate(NULL, 0) == TS_ERROR && said("ticket key data"));
    }
    return NULL;
}

static void each_thread_has_its_own_last_error(void) {
    start(10);
    pthread_t other = spawn(fail_otherwise, NULL);
    for (int i = 0; i < 1000; i++) {
        CHECK(TSSslSessionRemove(NULL) == TS_ERROR && said("session id"));
    }
    CHECK(pthread_join(other, NULL) == 0);
}

const struct test_case THREAD_CASES[] = {
    CASE(every_call_from_every_thread),
    CASE(of_many_takes_one_wins),
    CASE(a_replaced_session_is_always_there),
    CASE(shutdown_with_calls_in_flight),
    CASE(of_many_inits_one_succeeds),
    CASE(handshakes_while_hooks_are_added_and_keys_rotate),
    CASE(each_thread_has_its_own_last_error),
    END_OF_CASES,
};
