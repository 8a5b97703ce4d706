/* "OpenSSL glue": what handshakes do on contexts that are attached. */
#include "tls.h"

static void every_way_resumes(void) {
    for (enum way way = TLS12_ID; way < WAYS; way++) {
        start(10);
        struct peers peers = new_peers(way);
        SSL_SESSION *session = visit(&peers);
        for (int i = 0; i < 3; i++) {
            CHECK(come_back(&peers, &session));
        }
        CHECK((stats().hits == 3) == !is_stateless(way));
        CHECK((stats().tickets_opened == 3) == is_stateless(way));
        SSL_SESSION_free(session);
        free_peers(&peers);
        rekindle_shutdown();
    }
}

static void contexts_share_the_cache(void) {
    for (enum way way = TLS12_ID; way < WAYS; way++) {
        start(10);
        struct peers peers = new_peers(way);
        SSL_SESSION *session = visit(&peers);
        SSL_CTX_free(peers.server);
        peers.server = new_server(way);
        CHECK(come_back(&peers, &session));
        SSL_SESSION_free(session);
        free_peers(&peers);
        rekindle_shutdown();
    }
}

static void another_id_context_never_resumes(void) {
    for (enum way way = TLS12_ID; way < WAYS; way++) {
        start(10);
        struct peers peers = new_peers(way);
        SSL_SESSION *session = visit(&peers);
        CHECK(SSL_CTX_set_session_id_context(peers.server, (const unsigned char *)"other", 5));
        CHECK(!come_back(&peers, &session));
        SSL_SESSION_free(session);
        free_peers(&peers);
        rekindle_shutdown();
    }
}

static int swap(SSL *ssl, int *alert, void *other) {
    (void)alert;
    CHECK(SSL_set_SSL_CTX(ssl, other) == other);
    return SSL_TLSEXT_ERR_OK;
}

static void every_way_resumes_when_sni_swaps_the_context(void) {
    for (enum way way = TLS12_ID; way < WAYS; way++) {
        start(10);
        struct peers peers = new_peers(way);
        SSL_CTX *other = new_server(way);
        SSL_CTX_set_tlsext_servername_callback(peers.server, swap);
        SSL_CTX_set_tlsext_servername_arg(peers.server, other);
        SSL_SESSION *session = visit(&peers);
        CHECK(come_back(&peers, &session));
        SSL_SESSION_free(session);
        SSL_CTX_free(other);
        free_peers(&peers);
        rekindle_shutdown();
    }
}

static void a_handshake_stores_what_calls_find(void) {
    char buffer[4096];
    int length = sizeof buffer;
    start(10);
    struct peers peers = new_peers(TLS12_ID);
    struct connection c = shake_hands(peers.server, peers.client, NULL);
    TSSslSessionID id = id_at(&c);
    SSL_SESSION *session = (SSL_SESSION *)TSSslSessionGet(&id);
    CHECK(session == SSL_get_session(c.server));
    SSL_SESSION_free(session);
    const unsigned char *at = (const unsigned char *)buffer;
    CHECK(TSSslSessionGetBuffer(&id, buffer, &length) == length && length > 0);
    session = d2i_SSL_SESSION(NULL, &at, length);
    CHECK(session != NULL);
    SSL_SESSION_free(session);
    close_connection(&c);
    free_peers(&peers);
}

static void a_removed_or_taken_session_is_not_resumed(void) {
    start(10);
    struct peers peers = new_peers(TLS12_ID);
    for (int take = 0; take < 2; take++) {
        struct connection c = shake_hands(peers.server, peers.client, NULL);
        SSL_SESSION *session = SSL_get1_session(c.client);
        TSSslSessionID id = id_at(&c);
        close_connection(&c);
        if (take) {
            SSL_SESSION_free(rekindle_session_take(&id));
        } else {
            CHECK(TSSslSessionRemove(&id) == TS_SUCCESS);
        }
        CHECK(!come_back(&peers, &session));
        SSL_SESSION_free(session);
    }
    free_peers(&peers);
}

static void contexts_outlive_shutdown(void) {
    for (enum way way = TLS12_ID; way < WAYS; way++) {
        start(10);
        struct peers peers = new_peers(way);
        SSL_SESSION *session = visit(&peers);
        rekindle_shutdown();
        /* Tickets go on; the cache has gone. */
        CHECK(come_back(&peers, &session) == is_stateless(way));
        CHECK(rekindle_attach(peers.server) == -1);
        start(10);
        CHECK(rekindle_attach(peers.server) == -1 && said("already"));
        CHECK(come_back(&peers, &session) == is_stateless(way));
        SSL_SESSION_free(session);
        free_peers(&peers);
        rekindle_shutdown();
    }
}

static void connections_outlive_their_context_and_the_cache(void) {
    start(10);
    struct peers peers = new_peers(TLS12_ID);
    struct connection c = shake_hands(peers.server, peers.client, NULL);
    free_peers(&peers);
    rekindle_shutdown();
    hang_up(&c);
}

const struct test_case HANDSHAKE_CASES[] = {
    CASE(every_way_resumes),
    CASE(contexts_share_the_cache),
    CASE(another_id_context_never_resumes),
    CASE(every_way_resumes_when_sni_swaps_the_context),
    CASE(a_handshake_stores_what_calls_find),
    CASE(a_removed_or_taken_session_is_not_resumed),
    CASE(contexts_outlive_shutdown),
    CASE(connections_outlive_their_context_and_the_cache),
    END_OF_CASES,
};
