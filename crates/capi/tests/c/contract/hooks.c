/* The table "Hooks". */
#include "tls.h"

enum { MOST_CALLS = 32 };

/* The calls of a hook, in order. */
struct call_log {
    int events[MOST_CALLS];
    TSSslSessionID ids[MOST_CALLS];
    /* Whether TSSslSessionGetBuffer() found the session. */
    int found[MOST_CALLS];
    int length;
};

static void log_call(int event, const TSSslSessionID *id, void *data) {
    struct call_log *log = data;
    char buffer[4096];
    int length = sizeof buffer;
    int at = log->length++;
    CHECK(at < MOST_CALLS && id->len >= 1 && id->len <= 32);
    log->events[at] = event;
    log->ids[at] = *id;
    log->found[at] = TSSslSessionGetBuffer(id, buffer, &length) > 0;
}

CASE(hooks_need_a_cache_and_a_function) {
    CHECK(rekindle_session_hook_add(log_call, NULL) == -1 && said("rekindle_init"));
    start(10);
    CHECK(rekindle_session_hook_add(NULL, NULL) == -1 && said("NULL"));
}

/* Other ways keep no session in the cache, and run no hook. */
CASE_FOR(STATEFUL, new_fires_after_the_insert) {
    struct call_log log = {.length = 0};
    CHECK(rekindle_session_hook_add(log_call, &log) == 0);
    struct connection c = connect_peers(peers);
    TSSslSessionID id = id_at(&c);
    CHECK(log.length >= 1);
    for (int n = 0; n < log.length; n++) {
        CHECK(log.events[n] == TS_EVENT_SSL_SESSION_NEW && log.found[n]);
    }
    CHECK(memcmp(&log.ids[log.length - 1], &id, sizeof id) == 0);
    close_connection(&c);
}

CASE(new_does_not_fire_when_the_insert_is_refused) {
    struct call_log log = {.length = 0};
    rekindle_config config = {.size = sizeof config, .max_session_bytes = 1};
    CHECK(rekindle_init(&config) == 0);
    struct peers peers = new_peers(TLS12_ID);
    CHECK(rekindle_session_hook_add(log_call, &log) == 0);
    visit(&peers);
    CHECK(log.length == 0 && stats().refused_too_large == 1);
    free_peers(&peers);
}

CASE_FOR(TLS12_ID, get_fires_before_the_lookup_hit_or_miss) {
    struct call_log log = {.length = 0};
    visit(peers);
    CHECK(rekindle_session_hook_add(log_call, &log) == 0);
    CHECK(come_back(peers));
    CHECK(log.length == 1 && log.events[0] == TS_EVENT_SSL_SESSION_GET && log.found[0]);
    CHECK(TSSslSessionRemove(&log.ids[0]) == TS_SUCCESS);
    CHECK(!come_back(peers));
    CHECK(log.length == 3 && log.events[1] == TS_EVENT_SSL_SESSION_GET && !log.found[1]);
    CHECK(log.events[2] == TS_EVENT_SSL_SESSION_NEW);
}

/* Another machine's cache, which has one session. */
struct elsewhere {
    TSSslSessionID id;
    SSL_SESSION *session;
};

static void fetch(int event, const TSSslSessionID *id, void *data) {
    struct elsewhere *elsewhere = data;
    if (event == TS_EVENT_SSL_SESSION_GET && memcmp(id, &elsewhere->id, sizeof *id) == 0) {
        insert(id, elsewhere->session);
    }
}

CASE_FOR(STATEFUL, an_insert_in_get_turns_the_lookup_into_a_hit) {
    struct elsewhere elsewhere;
    struct connection c = connect_peers(peers);
    peers->session = SSL_get1_session(c.client);
    elsewhere.id = id_at(&c);
    close_connection(&c);
    elsewhere.session = rekindle_session_take(&elsewhere.id);
    CHECK(elsewhere.session != NULL);
    CHECK(rekindle_session_hook_add(fetch, &elsewhere) == 0);
    CHECK(come_back(peers));
    SSL_SESSION_free(elsewhere.session);
}

CASE_FOR(STATEFUL, remove_fires_before_the_removal) {
    struct call_log log = {.length = 0};
    struct connection c = connect_peers(peers);
    TSSslSessionID id = id_at(&c);
    CHECK(rekindle_session_hook_add(log_call, &log) == 0);
    /* OpenSSL removes the session of a connection that ends without close_notify. */
    hang_up(&c);
    CHECK(log.length == 1 && log.events[0] == TS_EVENT_SSL_SESSION_REMOVE);
    CHECK(log.found[0] && memcmp(&log.ids[0], &id, sizeof id) == 0);
    CHECK(!there(&id));
}

CASE_FOR(ALL_WAYS, remove_does_not_fire_without_a_session) {
    struct call_log log = {.length = 0};
    struct connection c = connect_peers(peers);
    if (peers->way & STATEFUL) {
        TSSslSessionID id = id_at(&c);
        CHECK(TSSslSessionRemove(&id) == TS_SUCCESS);
    }
    CHECK(rekindle_session_hook_add(log_call, &log) == 0);
    hang_up(&c);
    CHECK(log.length == 0);
}

CASE_WITH_ID(calls_fire_no_hook) {
    struct call_log log = {.length = 0};
    CHECK(rekindle_session_hook_add(log_call, &log) == 0);
    put(&id);
    CHECK(there(&id));
    CHECK(TSSslSessionRemove(&id) == TS_SUCCESS);
    put(&id);
    SSL_SESSION_free(rekindle_session_take(&id));
    CHECK(log.length == 0);
}

static int order[8], called;

static void first(int event, const TSSslSessionID *id, void *data) {
    (void)event, (void)id;
    order[called++] = *(int *)data;
}

CASE_FOR(TLS12_ID, hooks_run_in_order_with_their_data) {
    int numbers[] = {1, 2, 3};
    called = 0;
    for (int i = 0; i < 3; i++) {
        CHECK(rekindle_session_hook_add(first, &numbers[i]) == 0);
    }
    visit(peers);
    CHECK(called == 3 && order[0] == 1 && order[1] == 2 && order[2] == 3);
}

/* Makes every call. */
static void make_every_call(int event, const TSSslSessionID *id, void *data) {
    int *calls = data;
    char keys[RECORD];
    make_record(keys, 'a');
    char buffer[16];
    int length = sizeof buffer;
    TSSslSessionID other = id_of("other");
    ++*calls;
    put(&other);
    SSL_SESSION *taken = rekindle_session_take(&other);
    CHECK(taken != NULL);
    insert(&other, taken);
    SSL_SESSION_free(taken);
    CHECK(TSSslSessionRemove(&other) == TS_SUCCESS);
    CHECK(TSSslTicketKeyUpdate(keys, sizeof keys) == TS_SUCCESS);
    CHECK(rekindle_session_hook_add(first, data) == 0);
    CHECK(rekindle_init(NULL) == -1);
    CHECK(stats().capacity == 1000);
    (void)there(id);
    (void)TSSslSessionGetBuffer(id, buffer, &length);
    if (event == TS_EVENT_SSL_SESSION_GET) {
        /* The handshake has to cope with it. */
        CHECK(TSSslSessionRemove(id) == TS_SUCCESS);
    }
}

CASE_FOR(TLS12_ID, hooks_may_call_everything) {
    int calls = 0;
    called = 0;
    CHECK(rekindle_session_hook_add(make_every_call, &calls) == 0);
    visit(peers);
    CHECK(calls == 1);
    CHECK(!come_back(peers));
    CHECK(calls == 3 && called > 0);
}

static void add_itself(int event, const TSSslSessionID *id, void *data) {
    (void)event, (void)id;
    ++*(int *)data;
    CHECK(rekindle_session_hook_add(add_itself, data) == 0);
}

CASE_FOR(TLS12_ID, what_a_hook_adds_has_its_turn_at_the_next_event) {
    int calls = 0;
    CHECK(rekindle_session_hook_add(add_itself, &calls) == 0);
    visit(peers);
    CHECK(calls == 1);
    CHECK(come_back(peers));
    CHECK(calls == 3);
}

static void end_it(int event, const TSSslSessionID *id, void *data) {
    (void)event;
    ++*(int *)data;
    rekindle_shutdown();
    CHECK(!there(id));
}

CASE_FOR(TLS12_ID, hooks_end_at_shutdown) {
    int calls = 0;
    CHECK(rekindle_session_hook_add(end_it, &calls) == 0);
    visit(peers);
    CHECK(calls == 1);
    CHECK(!come_back(peers));
    start(10);
    CHECK(!come_back(peers));
    CHECK(calls == 1 && stats().entries == 0);
}
