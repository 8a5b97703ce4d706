/* The table "Hooks". */
#include "tls.h"

/* The ways whose sessions stay in the cache: others run no hook. */
static const enum way STATEFUL[] = {TLS12_ID, TLS13_STATEFUL};

enum { MOST = 32 };

/* What a hook was called with, in order. */
struct diary {
    int events[MOST];
    TSSslSessionID ids[MOST];
    /* Whether TSSslSessionGetBuffer() found the session. */
    int found[MOST];
    int length;
};

static void write_down(int event, const TSSslSessionID *id, void *data) {
    struct diary *diary = data;
    char buffer[4096];
    int length = sizeof buffer;
    int at = diary->length++;
    CHECK(at < MOST && id->len >= 1 && id->len <= 32);
    diary->events[at] = event;
    diary->ids[at] = *id;
    diary->found[at] = TSSslSessionGetBuffer(id, buffer, &length) > 0;
}

static void hooks_need_a_cache_and_a_function(void) {
    CHECK(rekindle_session_hook_add(write_down, NULL) == -1 && said("rekindle_init"));
    start(10);
    CHECK(rekindle_session_hook_add(NULL, NULL) == -1 && said("NULL"));
}

static void new_fires_after_the_insert(void) {
    for (size_t i = 0; i < 2; i++) {
        struct diary diary = {.length = 0};
        start(10);
        struct peers peers = new_peers(STATEFUL[i]);
        CHECK(rekindle_session_hook_add(write_down, &diary) == 0);
        struct connection c = shake_hands(peers.server, peers.client, NULL);
        TSSslSessionID id = id_at(&c);
        CHECK(diary.length >= 1);
        for (int n = 0; n < diary.length; n++) {
            CHECK(diary.events[n] == TS_EVENT_SSL_SESSION_NEW && diary.found[n]);
        }
        CHECK(memcmp(&diary.ids[diary.length - 1], &id, sizeof id) == 0);
        close_connection(&c);
        free_peers(&peers);
        rekindle_shutdown();
    }
}

static void new_does_not_fire_when_the_insert_is_refused(void) {
    struct diary diary = {.length = 0};
    rekindle_config config = {.size = sizeof config, .max_session_bytes = 1};
    CHECK(rekindle_init(&config) == 0);
    struct peers peers = new_peers(TLS12_ID);
    CHECK(rekindle_session_hook_add(write_down, &diary) == 0);
    SSL_SESSION_free(visit(&peers));
    CHECK(diary.length == 0 && stats().refused_too_large == 1);
    free_peers(&peers);
}

static void get_fires_before_the_lookup_hit_or_miss(void) {
    struct diary diary = {.length = 0};
    start(10);
    struct peers peers = new_peers(TLS12_ID);
    SSL_SESSION *session = visit(&peers);
    CHECK(rekindle_session_hook_add(write_down, &diary) == 0);
    CHECK(come_back(&peers, &session));
    CHECK(diary.length == 1 && diary.events[0] == TS_EVENT_SSL_SESSION_GET && diary.found[0]);
    CHECK(TSSslSessionRemove(&diary.ids[0]) == TS_SUCCESS);
    CHECK(!come_back(&peers, &session));
    CHECK(diary.length == 3 && diary.events[1] == TS_EVENT_SSL_SESSION_GET && !diary.found[1]);
    CHECK(diary.events[2] == TS_EVENT_SSL_SESSION_NEW);
    SSL_SESSION_free(session);
    free_peers(&peers);
}

/* A cache elsewhere, that sessions are fetched from. */
struct elsewhere {
    TSSslSessionID id;
    SSL_SESSION *session;
};

static void fetch(int event, const TSSslSessionID *id, void *data) {
    struct elsewhere *elsewhere = data;
    if (event == TS_EVENT_SSL_SESSION_GET && memcmp(id, &elsewhere->id, sizeof *id) == 0) {
        CHECK(TSSslSessionInsert(id, (TSSslSession)elsewhere->session, NULL) == TS_SUCCESS);
    }
}

static void an_insert_in_get_turns_the_lookup_into_a_hit(void) {
    for (size_t i = 0; i < 2; i++) {
        struct elsewhere elsewhere;
        start(10);
        struct peers peers = new_peers(STATEFUL[i]);
        struct connection c = shake_hands(peers.server, peers.client, NULL);
        SSL_SESSION *session = SSL_get1_session(c.client);
        elsewhere.id = id_at(&c);
        close_connection(&c);
        elsewhere.session = rekindle_session_take(&elsewhere.id);
        CHECK(elsewhere.session != NULL);
        CHECK(rekindle_session_hook_add(fetch, &elsewhere) == 0);
        CHECK(come_back(&peers, &session));
        SSL_SESSION_free(session);
        SSL_SESSION_free(elsewhere.session);
        free_peers(&peers);
        rekindle_shutdown();
    }
}

static void remove_fires_before_the_removal(void) {
    for (size_t i = 0; i < 2; i++) {
        struct diary diary = {.length = 0};
        start(10);
        struct peers peers = new_peers(STATEFUL[i]);
        struct connection c = shake_hands(peers.server, peers.client, NULL);
        TSSslSessionID id = id_at(&c);
        CHECK(rekindle_session_hook_add(write_down, &diary) == 0);
        /* OpenSSL removes the session of a connection that ends without a word. */
        hang_up(&c);
        CHECK(diary.length == 1 && diary.events[0] == TS_EVENT_SSL_SESSION_REMOVE);
        CHECK(diary.found[0] && memcmp(&diary.ids[0], &id, sizeof id) == 0);
        CHECK(!there(&id));
        free_peers(&peers);
        rekindle_shutdown();
    }
}

static void remove_does_not_fire_without_a_session(void) {
    for (enum way way = TLS12_ID; way < WAYS; way++) {
        struct diary diary = {.length = 0};
        start(10);
        struct peers peers = new_peers(way);
        struct connection c = shake_hands(peers.server, peers.client, NULL);
        if (!is_stateless(way)) {
            TSSslSessionID id = id_at(&c);
            CHECK(TSSslSessionRemove(&id) == TS_SUCCESS);
        }
        CHECK(rekindle_session_hook_add(write_down, &diary) == 0);
        hang_up(&c);
        CHECK(diary.length == 0);
        free_peers(&peers);
        rekindle_shutdown();
    }
}

static void calls_fire_no_hook(void) {
    struct diary diary = {.length = 0};
    TSSslSessionID id = id_of("id");
    start(10);
    CHECK(rekindle_session_hook_add(write_down, &diary) == 0);
    put(&id);
    CHECK(there(&id));
    CHECK(TSSslSessionRemove(&id) == TS_SUCCESS);
    put(&id);
    SSL_SESSION_free(rekindle_session_take(&id));
    CHECK(diary.length == 0);
}

static int order[8], called;

static void first(int event, const TSSslSessionID *id, void *data) {
    (void)event, (void)id;
    order[called++] = *(int *)data;
}

static void hooks_run_in_order_with_their_data(void) {
    int numbers[] = {1, 2, 3};
    start(10);
    called = 0;
    struct peers peers = new_peers(TLS12_ID);
    for (int i = 0; i < 3; i++) {
        CHECK(rekindle_session_hook_add(first, &numbers[i]) == 0);
    }
    SSL_SESSION_free(visit(&peers));
    CHECK(called == 3 && order[0] == 1 && order[1] == 2 && order[2] == 3);
    free_peers(&peers);
}

/* Calls everything. */
static void meddle(int event, const TSSslSessionID *id, void *data) {
    int *calls = data;
    char keys[48] = "a name for a key, and two secrets";
    char buffer[16];
    int length = sizeof buffer;
    TSSslSessionID other = id_of("other");
    ++*calls;
    put(&other);
    SSL_SESSION *taken = rekindle_session_take(&other);
    CHECK(taken != NULL);
    CHECK(TSSslSessionInsert(&other, (TSSslSession)taken, NULL) == TS_SUCCESS);
    SSL_SESSION_free(taken);
    CHECK(TSSslSessionRemove(&other) == TS_SUCCESS);
    CHECK(TSSslTicketKeyUpdate(keys, sizeof keys) == TS_SUCCESS);
    CHECK(rekindle_session_hook_add(first, data) == 0);
    CHECK(rekindle_init(NULL) == -1);
    CHECK(stats().capacity == 10);
    (void)there(id);
    (void)TSSslSessionGetBuffer(id, buffer, &length);
    if (event == TS_EVENT_SSL_SESSION_GET) {
        /* The handshake must live with that. */
        CHECK(TSSslSessionRemove(id) == TS_SUCCESS);
    }
}

static void hooks_may_call_everything(void) {
    int calls = 0;
    start(10);
    called = 0;
    struct peers peers = new_peers(TLS12_ID);
    CHECK(rekindle_session_hook_add(meddle, &calls) == 0);
    SSL_SESSION *session = visit(&peers);
    CHECK(calls == 1);
    CHECK(!come_back(&peers, &session));
    CHECK(calls == 3 && called > 0);
    SSL_SESSION_free(session);
    free_peers(&peers);
}

static void add_itself(int event, const TSSslSessionID *id, void *data) {
    (void)event, (void)id;
    ++*(int *)data;
    CHECK(rekindle_session_hook_add(add_itself, data) == 0);
}

static void what_a_hook_adds_has_its_turn_at_the_next_event(void) {
    int calls = 0;
    start(10);
    struct peers peers = new_peers(TLS12_ID);
    CHECK(rekindle_session_hook_add(add_itself, &calls) == 0);
    SSL_SESSION *session = visit(&peers);
    CHECK(calls == 1);
    CHECK(come_back(&peers, &session));
    CHECK(calls == 3);
    SSL_SESSION_free(session);
    free_peers(&peers);
}

static void end_it(int event, const TSSslSessionID *id, void *data) {
    (void)event;
    ++*(int *)data;
    rekindle_shutdown();
    CHECK(!there(id));
}

static void hooks_end_at_shutdown(void) {
    int calls = 0;
    start(10);
    struct peers peers = new_peers(TLS12_ID);
    CHECK(rekindle_session_hook_add(end_it, &calls) == 0);
    SSL_SESSION *session = visit(&peers);
    CHECK(calls == 1);
    CHECK(!come_back(&peers, &session));
    start(10);
    CHECK(!come_back(&peers, &session));
    CHECK(calls == 1 && stats().entries == 0);
    SSL_SESSION_free(session);
    free_peers(&peers);
}

const struct test_case HOOK_CASES[] = {
    CASE(hooks_need_a_cache_and_a_function),
    CASE(new_fires_after_the_insert),
    CASE(new_does_not_fire_when_the_insert_is_refused),
    CASE(get_fires_before_the_lookup_hit_or_miss),
    CASE(an_insert_in_get_turns_the_lookup_into_a_hit),
    CASE(remove_fires_before_the_removal),
    CASE(remove_does_not_fire_without_a_session),
    CASE(calls_fire_no_hook),
    CASE(hooks_run_in_order_with_their_data),
    CASE(hooks_may_call_everything),
    CASE(what_a_hook_adds_has_its_turn_at_the_next_event),
    CASE(hooks_end_at_shutdown),
    END_OF_CASES,
};
