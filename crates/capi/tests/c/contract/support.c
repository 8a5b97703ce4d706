#include "contract.h"

#include <stdatomic.h>
#include <time.h>

int thrift = 1;

_Noreturn void fail(const char *file, int line, const char *condition) {
    fprintf(stderr, "%s:%d: %s (last error: \"%s\")\n", file, line, condition,
            rekindle_last_error());
    exit(1);
}

void start(size_t sessions) {
    rekindle_config config = {.size = sizeof config, .sessions = sessions};
    CHECK(rekindle_init(&config) == 0);
}

struct rekindle_stats stats(void) {
    struct rekindle_stats stats = {.size = sizeof stats};
    CHECK(rekindle_stats(&stats) == 0);
    return stats;
}

int said(const char *text) { return strstr(rekindle_last_error(), text) != NULL; }

TSSslSessionID id_of(const char *text) {
    TSSslSessionID id;
    memset(&id, 0, sizeof id);
    id.len = strlen(text);
    CHECK(id.len > 0 && id.len <= sizeof id.bytes);
    memcpy(id.bytes, text, id.len);
    return id;
}

static atomic_int freed;

static void count_free(void *session, void *value, CRYPTO_EX_DATA *ad, int index, long l, void *p) {
    (void)session, (void)ad, (void)index, (void)l, (void)p;
    if (value != NULL) {
        atomic_fetch_add(&freed, 1);
    }
}

int sessions_freed(void) { return atomic_load(&freed); }

/* The ex_data index of the mark that makes count_free() count a session. */
static int mark_index(void) {
    static atomic_int index;
    int known = atomic_load(&index);
    if (known == 0) {
        known = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, count_free);
        CHECK(known > 0);
        atomic_store(&index, known);
    }
    return known;
}

SSL_CTX *new_context(void) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    CHECK(ctx != NULL && SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"c", 1));
    return ctx;
}

SSL_SESSION *make_session(const TSSslSessionID *id, long age, long timeout, size_t extra) {
    static const unsigned char master_key[48] = {1, 2, 3};
    static char mark;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_SESSION *session = SSL_SESSION_new();
    CHECK(ctx != NULL && session != NULL);
    CHECK(SSL_CTX_set_cipher_list(ctx, "ECDHE-RSA-AES128-GCM-SHA256"));
    STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ctx);
    /* The list begins with those of TLS 1.3. */
    int last = sk_SSL_CIPHER_num(ciphers) - 1;
    CHECK(SSL_SESSION_set_cipher(session, sk_SSL_CIPHER_value(ciphers, last)));
    CHECK(SSL_SESSION_set_protocol_version(session, TLS1_2_VERSION));
    CHECK(SSL_SESSION_set1_master_key(session, master_key, sizeof master_key));
    CHECK(SSL_SESSION_set1_id(session, (const unsigned char *)id->bytes, (unsigned)id->len));
    CHECK(SSL_SESSION_set_time(session, (long)time(NULL) - age) != 0);
    CHECK(SSL_SESSION_set_timeout(session, timeout));
    if (extra > 0) {
        char *data = malloc(extra);
        CHECK(data != NULL);
        memset(data, 'x', extra);
        CHECK(SSL_SESSION_set1_ticket_appdata(session, data, extra));
        free(data);
    }
    CHECK(SSL_SESSION_set_ex_data(session, mark_index(), &mark));
    SSL_CTX_free(ctx);
    return session;
}

void make_record(char *at, char name) {
    memset(at, name, 16);
    uint64_t mixed = (unsigned char)name + 1;
    for (int i = 16; i < RECORD; i++) {
        mixed = mixed * 6364136223846793005U + 1442695040888963407U;
        at[i] = (char)(mixed >> 56);
    }
}

void insert(const TSSslSessionID *id, SSL_SESSION *session) {
    CHECK(TSSslSessionInsert(id, (TSSslSession)session, NULL) == TS_SUCCESS);
}

void put_new(const TSSslSessionID *id, long age, long timeout, size_t extra) {
    SSL_SESSION *session = make_session(id, age, timeout, extra);
    insert(id, session);
    SSL_SESSION_free(session);
}

void put(const TSSslSessionID *id) { put_new(id, 0, 300, 0); }

int there(const TSSslSessionID *id) {
    SSL_SESSION *session = (SSL_SESSION *)TSSslSessionGet(id);
    SSL_SESSION_free(session);
    return session != NULL;
}
