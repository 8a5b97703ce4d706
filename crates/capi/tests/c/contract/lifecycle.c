/* rekindle_init, attach, shutdown, stats, last_error. */
#include "contract.h"

CASE(init_twice_is_an_error) {
    CHECK(rekindle_init(NULL) == 0 && rekindle_last_error()[0] == '\0');
    CHECK(stats().capacity == 100000);
    CHECK(rekindle_init(NULL) == -1 && said("already"));
    rekindle_shutdown();
    CHECK(rekindle_init(NULL) == 0);
}

CASE(shutdown_disables) {
    TSSslSessionID id = id_of("id");
    rekindle_shutdown();
    start(10);
    put(&id);
    rekindle_shutdown();
    rekindle_shutdown();
    CHECK(TSSslSessionGet(&id) == NULL && said("rekindle_init"));
    CHECK(TSSslSessionRemove(&id) == TS_ERROR);
    start(10);
    CHECK(!there(&id));
}

#define INIT(...) rekindle_init(&(rekindle_config){__VA_ARGS__})

CASE(init_refuses_what_is_out_of_range) {
    enum { RIGHT = sizeof(rekindle_config), DAY = 24 * 60 * 60 };
    CHECK(INIT(.size = RIGHT) == 0);
    rekindle_shutdown();
    CHECK(INIT(.size = 0) == -1);
    CHECK(INIT(.size = offsetof(rekindle_config, ticket_key_period) - 1) == -1);
    CHECK(INIT(.size = SIZE_MAX) == -1);
    CHECK(INIT(.size = RIGHT, .sessions = SIZE_MAX) == -1);
    CHECK(INIT(.size = RIGHT, .sessions = 10, .max_bytes = 1) == -1);
    CHECK(INIT(.size = RIGHT, .sessions = 10, .max_session_bytes = SIZE_MAX) == -1);
    CHECK(INIT(.size = RIGHT, .sessions = 10, .max_session_bytes = (1 << 20) + 1) == -1);
    CHECK(INIT(.size = RIGHT, .reserved = 1) == -1 && said("does not know"));
    CHECK(INIT(.size = RIGHT, .keep_sessions = 2) == -1 && said("does not know"));
    CHECK(INIT(.size = RIGHT, .ticket_key_period = 31 * DAY) == -1 && said("period"));
    CHECK(INIT(.size = RIGHT, .ticket_key_max_age = 600, .session_timeout = 600) == -1);
    CHECK(said("maximum age"));
    CHECK(INIT(.size = RIGHT, .full_handshake_max_age = 8 * DAY) == -1);
    CHECK(said("whole seconds, 1 to 604800"));
    CHECK(TSSslSessionGet(NULL) == NULL);
}

/* A program that was compiled against a later header passes such a structure. */
CASE(the_configuration_can_grow) {
    struct {
        rekindle_config config;
        unsigned char later[64];
    } grown;
    memset(&grown, 0, sizeof grown);
    grown.config.size = sizeof grown;
    grown.config.sessions = 10;
    CHECK(rekindle_init(&grown.config) == 0);
    CHECK(stats().capacity == 10);
    rekindle_shutdown();
    grown.later[63] = 1;
    CHECK(rekindle_init(&grown.config) == -1 && said("does not know"));
}

CASE(statistics_can_grow) {
    struct {
        struct rekindle_stats stats;
        unsigned char later[64];
        unsigned char beyond;
    } grown;
    memset(&grown, '#', sizeof grown);
    grown.stats.size = offsetof(__typeof__(grown), beyond);
    CHECK(rekindle_stats(&grown.stats) == -1 && said("rekindle_init"));
    start(10);
    CHECK(rekindle_stats(&grown.stats) == 0);
    CHECK(grown.stats.size == sizeof grown.stats + 64 && grown.stats.capacity == 10);
    CHECK(grown.later[0] == 0 && grown.later[63] == 0 && grown.beyond == '#');
    CHECK(rekindle_stats(NULL) == -1 && said("NULL"));
    size_t wrong[] = {0, sizeof(size_t), SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        grown.stats.size = wrong[i];
        grown.stats.hits = 77;
        CHECK(rekindle_stats(&grown.stats) == -1 && said("size"));
        CHECK(grown.stats.hits == 77);
    }
}

CASE(attach_refuses) {
    SSL_CTX *ctx = new_context();
    CHECK(rekindle_attach(ctx) == -1 && said("rekindle_init"));
    start(10);
    CHECK(rekindle_attach(NULL) == -1 && said("NULL"));
    CHECK(rekindle_attach(ctx) == 0);
    CHECK(rekindle_attach(ctx) == -1 && said("already"));
    SSL_CTX_free(ctx);
}

static int find_nothing(SSL *ssl, SSL_SESSION *session) {
    (void)ssl, (void)session;
    return 0;
}

CASE(attach_replaces_session_callbacks_on_request_only) {
    SSL_CTX *ctx = new_context();
    SSL_CTX_sess_set_new_cb(ctx, find_nothing);
    CHECK(rekindle_attach_replacing(ctx) == -1 && said("rekindle_init"));
    start(10);
    CHECK(rekindle_attach_replacing(NULL) == -1 && said("NULL"));
    CHECK(rekindle_attach(ctx) == -1 && said("callback of its own, for new sessions"));
    CHECK(SSL_CTX_sess_get_new_cb(ctx) == find_nothing);
    CHECK(rekindle_attach_replacing(ctx) == 0);
    CHECK(SSL_CTX_sess_get_new_cb(ctx) != find_nothing);
    CHECK(rekindle_attach_replacing(ctx) == -1 && said("already"));
    SSL_CTX_free(ctx);
}

CASE(the_last_error_is_that_of_the_last_call) {
    TSSslSessionID id = id_of("id");
    CHECK(rekindle_last_error() != NULL);
    CHECK(TSSslSessionRemove(NULL) == TS_ERROR && said("NULL"));
    CHECK(said("NULL"));
    start(10);
    CHECK(rekindle_last_error()[0] == '\0');
    CHECK(TSSslSessionRemove(NULL) == TS_ERROR && said("NULL"));
    CHECK(TSSslSessionRemove(&id) == TS_SUCCESS && rekindle_last_error()[0] == '\0');
}

static void fail_in_destructor(void *session, void *value, CRYPTO_EX_DATA *ad, int index, long l,
                               void *p) {
    (void)session, (void)ad, (void)index, (void)l, (void)p;
    if (value != NULL) {
        CHECK(TSSslSessionRemove(NULL) == TS_ERROR);
        ++*(int *)value;
    }
}

/* Also after a session's destructor, which runs during the call, has made calls that failed. */
CASE_WITH_ID(success_leaves_no_error) {
    int destroyed = 0, sessions = 2000 / thrift;
    int index = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, fail_in_destructor);
    for (int i = 0; i < sessions || destroyed == 0; i++) {
        SSL_SESSION *session = make_session(&id, 0, 300, 0);
        CHECK(SSL_SESSION_set_ex_data(session, index, &destroyed));
        SSL_SESSION_up_ref(session);
        insert(&id, session);
        CHECK(rekindle_last_error()[0] == '\0');
        SSL_SESSION_free(session);
        SSL_SESSION_free(session);
    }
    rekindle_shutdown();
    CHECK(destroyed >= sessions);
}

CASE(the_session_timeout_is_set_on_contexts) {
    SSL_CTX *ctx = new_context();
    long before = SSL_CTX_get_timeout(ctx);
    start(10);
    CHECK(rekindle_attach(ctx) == 0 && SSL_CTX_get_timeout(ctx) == before);
    SSL_CTX_free(ctx);
    rekindle_shutdown();
    ctx = new_context();
    CHECK(INIT(.size = sizeof(rekindle_config), .session_timeout = 1234) == 0);
    CHECK(rekindle_attach(ctx) == 0 && SSL_CTX_get_timeout(ctx) == 1234);
    SSL_CTX_free(ctx);
}
