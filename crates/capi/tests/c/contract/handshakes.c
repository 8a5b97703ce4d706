/* "OpenSSL glue": what handshakes do on attached contexts. */
#include "tls.h"

CASE_FOR(ALL_WAYS, every_way_resumes) {
    int stateless = (peers->way & STATELESS) != 0;
    visit(peers);
    for (int i = 0; i < 3; i++) {
        CHECK(come_back(peers));
    }
    CHECK((stats().hits == 3) == !stateless);
    CHECK((stats().tickets_opened == 3) == stateless);
}

CASE_FOR(ALL_WAYS, contexts_share_the_cache) {
    visit(peers);
    SSL_CTX_free(peers->server);
    peers->server = new_server(peers->way);
    CHECK(come_back(peers));
}

CASE_FOR(ALL_WAYS, another_id_context_never_resumes) {
    visit(peers);
    CHECK(SSL_CTX_set_session_id_context(peers->server, (const unsigned char *)"other", 5));
    CHECK(!come_back(peers));
}

static int keep(SSL *ssl, SSL_SESSION *session) {
    (void)ssl, (void)session;
    return 0;
}

CASE_FOR(ALL_WAYS, what_the_program_changes_afterwards_is_counted) {
    visit(peers);
    CHECK(stats().conflicts_session_callbacks == 0 && stats().conflicts_internal_cache == 0);
    SSL_CTX_sess_set_new_cb(peers->server, keep);
    SSL_CTX_set_session_cache_mode(peers->server, SSL_SESS_CACHE_SERVER);
    visit(peers);
    CHECK(stats().conflicts_session_callbacks == 1 && stats().conflicts_internal_cache == 1);
    SSL_CTX_set_not_resumable_session_callback(peers->server, NULL);
    visit(peers);
    int sends_tickets = peers->way != TLS12_ID;
    CHECK((stats().conflicts_not_resumable_callback > 0) == sends_tickets);
    CHECK(stats().conflicts_session_ticket_callback == 0);
    CHECK(stats().conflicts_ticket_key_callback == 0);
    if (peers->way & STATELESS) {
        CHECK(SSL_CTX_set_tlsext_ticket_key_evp_cb(peers->server, NULL) == 1);
        visit(peers);
        CHECK(!come_back(peers) && stats().conflicts_ticket_key_callback == 1);
    }
}

static int any_certificate(int is_good, X509_STORE_CTX *store) {
    (void)is_good, (void)store;
    return 1;
}

/* Without an id context OpenSSL ends the connection of a client that shows its ticket. */
CASE_FOR(STATELESS, a_server_without_an_id_context_that_asks_for_certificates_gives_no_ticket) {
    const unsigned char none = 0;
    SSL_CTX_set_verify(peers->server, SSL_VERIFY_PEER, any_certificate);
    CHECK(SSL_CTX_set_session_id_context(peers->server, &none, 0));
    struct connection c = connect_peers(peers);
    SSL_SESSION *session = SSL_get1_session(c.client);
    CHECK(!SSL_SESSION_is_resumable(session) || !SSL_SESSION_has_ticket(session));
    SSL_SESSION_free(session);
    close_connection(&c);
    CHECK(stats().conflicts_no_session_id_context == 1 && stats().tickets_sealed == 0);
}

static int swap(SSL *ssl, int *alert, void *other) {
    (void)alert;
    CHECK(SSL_set_SSL_CTX(ssl, other) == other);
    return SSL_TLSEXT_ERR_OK;
}

CASE_FOR(ALL_WAYS, every_way_resumes_when_sni_swaps_the_context) {
    SSL_CTX *other = new_server(peers->way);
    SSL_CTX_set_tlsext_servername_callback(peers->server, swap);
    SSL_CTX_set_tlsext_servername_arg(peers->server, other);
    visit(peers);
    CHECK(come_back(peers));
    SSL_CTX_free(other);
}

CASE_FOR(TLS12_ID, a_handshake_stores_what_calls_find) {
    char buffer[4096];
    int length = sizeof buffer;
    struct connection c = connect_peers(peers);
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
}

CASE_FOR(TLS12_ID, a_removed_or_taken_session_is_not_resumed) {
    for (int take = 0; take < 2; take++) {
        struct connection c = connect_peers(peers);
        SSL_SESSION_free(peers->session);
        peers->session = SSL_get1_session(c.client);
        TSSslSessionID id = id_at(&c);
        close_connection(&c);
        if (take) {
            SSL_SESSION_free(rekindle_session_take(&id));
        } else {
            CHECK(TSSslSessionRemove(&id) == TS_SUCCESS);
        }
        CHECK(!come_back(peers));
    }
}

CASE_FOR(STATEFUL, sessions_outlive_connections_that_just_end_on_request) {
    for (uint32_t keep = 0; keep < 2; keep++) {
        rekindle_shutdown();
        rekindle_config config = {.size = sizeof config, .sessions = 10, .keep_sessions = keep};
        CHECK(rekindle_init(&config) == 0);
        SSL_CTX_free(peers->server);
        peers->server = new_server(peers->way);
        struct connection c = connect_peers(peers);
        TSSslSessionID id = id_at(&c);
        hang_up(&c);
        CHECK(there(&id) == (int)keep);
    }
}

CASE_FOR(ALL_WAYS, contexts_outlive_shutdown) {
    int stateless = (peers->way & STATELESS) != 0;
    visit(peers);
    rekindle_shutdown();
    /* Tickets that carry their session still open; the cache has ended. */
    CHECK(come_back(peers) == stateless);
    CHECK(rekindle_attach(peers->server) == -1);
    start(10);
    CHECK(rekindle_attach(peers->server) == -1 && said("already"));
    CHECK(come_back(peers) == stateless);
}

CASE(connections_outlive_their_context_and_the_cache) {
    start(10);
    struct peers peers = new_peers(TLS12_ID);
    struct connection c = connect_peers(&peers);
    free_peers(&peers);
    rekindle_shutdown();
    hang_up(&c);
}

/* A context without a session id context of its own. */
static SSL_CTX *new_plain_server(enum way way) {
    SSL_CTX *server = new_server(way);
    SSL_CTX *plain = SSL_CTX_new(TLS_server_method());
    CHECK(plain != NULL && SSL_CTX_use_certificate(plain, SSL_CTX_get0_certificate(server)) == 1);
    CHECK(SSL_CTX_use_PrivateKey(plain, SSL_CTX_get0_privatekey(server)) == 1);
    SSL_CTX_free(server);
    return plain;
}

CASE_FOR(ALL_WAYS, sessions_of_a_revoked_scope_are_not_resumed) {
    SSL_CTX_free(peers->server);
    peers->server = new_plain_server(peers->way);
    if (peers->way & STATEFUL) {
        SSL_CTX_set_options(peers->server, SSL_OP_NO_TICKET);
    }
    CHECK(rekindle_attach_scoped(peers->server, "a", 1) == 0);
    visit(peers);
    CHECK(come_back(peers));
    CHECK(rekindle_revoke("another", 7) == 0 && come_back(peers));
    CHECK(rekindle_revoke("a", 1) == 0 && !come_back(peers));
    struct rekindle_stats s = stats();
    CHECK(s.tickets_revoked + s.refused_revoked == 1);
    CHECK(rekindle_revoke_all() == 0);
    CHECK(rekindle_revoke(NULL, 0) == -1 && said("NULL"));
}

CASE(a_context_needs_something_that_says_what_its_sessions_belong_to) {
    start(10);
    SSL_CTX *empty = SSL_CTX_new(TLS_server_method());
    CHECK(rekindle_attach(empty) == -1 && said("scope"));
    CHECK(rekindle_attach_scoped(empty, NULL, 0) == -1 && said("NULL"));
    CHECK(rekindle_attach_scoped(empty, "", 0) == 0);
    SSL_CTX_free(empty);
    SSL_CTX *plain = new_plain_server(TLS12_ID);
    CHECK(rekindle_attach(plain) == 0);
    SSL_CTX_free(plain);
    rekindle_shutdown();
    CHECK(rekindle_revoke_all() == -1 && said("rekindle_init"));
    CHECK(rekindle_revoke("a", 1) == -1 && said("rekindle_init"));
}

CASE(early_data_and_its_companions_are_configured) {
    rekindle_config config = {.size = sizeof config, .sessions = 10};
    config.single_use = 2;
    CHECK(rekindle_init(&config) == -1);
    config.single_use = 1;
    config.all_names_as_one = 7;
    CHECK(rekindle_init(&config) == -1);
    config.all_names_as_one = 1;
    config.early_data = 1000;
    config.early_data_flights = UINT32_MAX;
    CHECK(rekindle_init(&config) == -1 && said("early data"));
    config.early_data_flights = 0;
    CHECK(rekindle_init(&config) == 0);
    SSL_CTX *server = new_plain_server(TLS13_TICKET);
    CHECK(rekindle_attach(server) == 0);
    CHECK(SSL_CTX_get_max_early_data(server) == 1000);
    CHECK(SSL_CTX_get_recv_max_early_data(server) == 1000);
    CHECK(SSL_CTX_get_options(server) & SSL_OP_NO_ANTI_REPLAY);
    SSL_CTX_free(server);
}
