#include "tls.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

static void use_new_certificate(SSL_CTX *ctx) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    CHECK(key != NULL && certificate != NULL);
    X509_NAME *name = X509_NAME_new();
    CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
                                     -1, -1, 0));
    CHECK(X509_set_subject_name(certificate, name) && X509_set_issuer_name(certificate, name));
    X509_NAME_free(name);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL);
    CHECK(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600) != NULL);
    CHECK(X509_set_pubkey(certificate, key) && X509_sign(certificate, key, EVP_sha256()) > 0);
    CHECK(SSL_CTX_use_certificate(ctx, certificate) && SSL_CTX_use_PrivateKey(ctx, key));
    X509_free(certificate);
    EVP_PKEY_free(key);
}

SSL_CTX *new_server(enum way way) {
    static const unsigned char context[] = "contract";
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    CHECK(ctx != NULL);
    use_new_certificate(ctx);
    CHECK(SSL_CTX_set_session_id_context(ctx, context, sizeof context));
    if (way & STATEFUL) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    }
    CHECK(rekindle_attach(ctx) == 0);
    return ctx;
}

SSL_CTX *new_client(enum way way) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int version = way & (TLS12_ID | TLS12_TICKET) ? TLS1_2_VERSION : TLS1_3_VERSION;
    CHECK(ctx != NULL);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    CHECK(SSL_CTX_set_min_proto_version(ctx, version));
    CHECK(SSL_CTX_set_max_proto_version(ctx, version));
    return ctx;
}

struct peers new_peers(enum way way) {
    struct peers peers = {way, new_server(way), new_client(way), NULL};
    return peers;
}

void free_peers(struct peers *peers) {
    SSL_SESSION_free(peers->session);
    SSL_CTX_free(peers->server);
    SSL_CTX_free(peers->client);
}

void for_each_way(enum way ways, void (*body)(struct peers *peers)) {
    for (int way = 1; way < ALL_WAYS; way *= 2) {
        if (ways & way) {
            start(1000);
            struct peers peers = new_peers((enum way)way);
            body(&peers);
            free_peers(&peers);
            rekindle_shutdown();
        }
    }
}

/* One step of a handshake. Whether the handshake is done. */
static int step(SSL *ssl) {
    int result = SSL_do_handshake(ssl);
    CHECK(result == 1 || SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ);
    return result == 1;
}

static struct connection shake_hands(const struct peers *peers, SSL_SESSION *offer) {
    struct connection c = {SSL_new(peers->server), SSL_new(peers->client)};
    BIO *near, *far;
    CHECK(c.server != NULL && c.client != NULL && BIO_new_bio_pair(&near, 0, &far, 0));
    SSL_set_bio(c.server, near, near);
    SSL_set_bio(c.client, far, far);
    SSL_set_accept_state(c.server);
    SSL_set_connect_state(c.client);
    CHECK(offer == NULL || SSL_set_session(c.client, offer));
    int done = 0;
    while (done != 3) {
        done = step(c.client) | step(c.server) << 1;
    }
    /* TLS 1.3 sends tickets after the handshake, before the first data. */
    char byte = '!';
    CHECK(SSL_write(c.server, &byte, 1) == 1 && SSL_read(c.client, &byte, 1) == 1);
    CHECK(SSL_session_reused(c.client) == SSL_session_reused(c.server));
    return c;
}

struct connection connect_peers(const struct peers *peers) { return shake_hands(peers, NULL); }

void hang_up(struct connection *connection) {
    SSL_free(connection->client);
    SSL_free(connection->server);
}

void close_connection(struct connection *connection) {
    SSL_shutdown(connection->client);
    SSL_shutdown(connection->server);
    hang_up(connection);
}

void visit(struct peers *peers) {
    SSL_SESSION_free(peers->session);
    peers->session = NULL;
    CHECK(!come_back(peers));
}

int come_back(struct peers *peers) {
    struct connection c = shake_hands(peers, peers->session);
    int resumed = SSL_session_reused(c.server);
    SSL_SESSION_free(peers->session);
    peers->session = SSL_get1_session(c.client);
    CHECK(peers->session != NULL);
    close_connection(&c);
    return resumed;
}

TSSslSessionID id_at(const struct connection *connection) {
    TSSslSessionID id;
    unsigned length;
    const unsigned char *bytes = SSL_SESSION_get_id(SSL_get_session(connection->server), &length);
    CHECK(length > 0 && length <= sizeof id.bytes);
    memset(&id, 0, sizeof id);
    id.len = length;
    memcpy(id.bytes, bytes, length);
    return id;
}
