/* The table "Ticket keys": TSSslTicketKeyUpdate, and what it does to tickets. */
#include "tls.h"

#include <limits.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { RECORD = 48 };

/* A key: its name, and secrets that go with it. */
static void record(char *at, char name) {
    memset(at, name, 16);
    for (int i = 16; i < RECORD; i++) {
        at[i] = (char)(name * 31 ^ i * 73);
    }
}

/* Updates the ring with keys of these names. */
static void use_keys(const char *names) {
    char records[8 * RECORD];
    int keys = (int)strlen(names);
    for (int i = 0; i < keys; i++) {
        record(records + i * RECORD, names[i]);
    }
    CHECK(TSSslTicketKeyUpdate(records, keys * RECORD) == TS_SUCCESS);
    CHECK(rekindle_last_error()[0] == '\0');
}

/* The name of the key that sealed the session's ticket. */
static char sealed_by(const SSL_SESSION *session) {
    const unsigned char *ticket;
    size_t length;
    SSL_SESSION_get0_ticket(session, &ticket, &length);
    CHECK(length > 16 && ticket[0] == ticket[15]);
    return (char)ticket[0];
}

static void an_update_needs_a_cache(void) {
    char records[RECORD];
    record(records, 'a');
    CHECK(TSSslTicketKeyUpdate(records, RECORD) == TS_ERROR && said("rekindle_init"));
}

/* The ring in use must have stayed. */
static void refuse(char *records, int length, const char *why) {
    CHECK(TSSslTicketKeyUpdate(records, length) == TS_ERROR);
    CHECK(said(why));
}

static void bad_updates_leave_the_keys_in_use(void) {
    char records[3 * RECORD];
    start(10);
    struct peers peers = new_peers(TLS12_TICKET);
    use_keys("a");
    SSL_SESSION *session = visit(&peers);
    CHECK(sealed_by(session) == 'a');
    refuse(NULL, RECORD, "NULL");
    refuse(NULL, 0, "NULL");
    record(records, 'b');
    refuse(records, 0, "48");
    refuse(records, RECORD - 1, "48");
    refuse(records, -1, "negative");
    refuse(records, INT_MIN, "negative");
    memset(records + RECORD, 0, RECORD);
    refuse(records, 2 * RECORD, "zero");
    memset(records + RECORD, 'x', RECORD);
    refuse(records, 2 * RECORD, "ticket key 2 has a secret that is one repeated byte");
    record(records + RECORD, 'c');
    memcpy(records + RECORD + 32, records + RECORD + 16, 16);
    refuse(records, 2 * RECORD, "ticket key 2 encrypts with its MAC secret");
    record(records + RECORD, 'c');
    record(records + 2 * RECORD, 'b');
    refuse(records, 3 * RECORD, "ticket key 1 and ticket key 3 have the same name");
    memset(records + 2 * RECORD, 'd', 16);
    refuse(records, 3 * RECORD, "ticket key 1 and ticket key 3 have the same secrets");
    CHECK(come_back(&peers, &session) && sealed_by(session) == 'a');
    CHECK(stats().tickets_opened == 1);
    SSL_SESSION_free(session);
    free_peers(&peers);
}

static void what_is_behind_the_last_record_is_ignored_with_a_warning(void) {
    char records[2 * RECORD];
    start(10);
    struct peers peers = new_peers(TLS12_TICKET);
    record(records, 'a');
    memset(records + RECORD, '\n', RECORD);
    for (int extra = 1; extra < RECORD; extra += 46) {
        CHECK(TSSslTicketKeyUpdate(records, RECORD + extra) == TS_SUCCESS);
        CHECK(said("warning") && said("ignored"));
    }
    SSL_SESSION *session = visit(&peers);
    CHECK(sealed_by(session) == 'a');
    SSL_SESSION_free(session);
    free_peers(&peers);
}

static void the_first_key_seals_and_all_open(void) {
    for (enum way way = TLS12_TICKET; way <= TLS13_TICKET; way++) {
        start(10);
        struct peers peers = new_peers(way);
        use_keys("a");
        SSL_SESSION *old = visit(&peers);
        use_keys("bac");
        CHECK(come_back(&peers, &old));
        /* Renewed. */
        CHECK(sealed_by(old) == 'b' && stats().tickets_renewed == 1);
        CHECK(come_back(&peers, &old) && sealed_by(old) == 'b');
        CHECK(stats().tickets_opened == 1);
        use_keys("c");
        CHECK(!come_back(&peers, &old));
        CHECK(sealed_by(old) == 'c' && stats().tickets_retired_key == 1);
        SSL_SESSION_free(old);
        free_peers(&peers);
        rekindle_shutdown();
    }
}

/* OpenSSL's terms: the first key returns 1, and the client keeps its ticket, in TLS 1.2. In TLS 1.3
 * tickets are for one use, and there is always a new one. */
static void only_tls_1_3_renews_tickets_of_the_first_key(void) {
    for (enum way way = TLS12_TICKET; way <= TLS13_TICKET; way++) {
        start(10);
        struct peers peers = new_peers(way);
        SSL_SESSION *session = visit(&peers);
        unsigned long long before = stats().tickets_sealed;
        CHECK(come_back(&peers, &session));
        CHECK((stats().tickets_sealed == before) == (way == TLS12_TICKET));
        SSL_SESSION_free(session);
        free_peers(&peers);
        rekindle_shutdown();
    }
}

/* Nobody provides keys: the library makes its own, and tickets of the one before open. Handshakes do it
 * where nobody calls rekindle_maintain(). */
static void own_keys_rotate_without_a_gap(void) {
    for (int maintained = 0; maintained < 2; maintained++) {
        rekindle_config config = {.size = sizeof config, .ticket_key_period = 1, .session_timeout = 60};
        CHECK(rekindle_init(&config) == 0);
        CHECK(stats().ticket_keys >= 2 && stats().ticket_key_rotations == 0);
        CHECK(stats().ticket_key_seals_for <= 2 && stats().ticket_key_next_rotation <= 1);
        struct peers peers = new_peers(TLS13_TICKET);
        SSL_SESSION *session = visit(&peers);
        time_t begun = time(NULL);
        /* A rotation within a handshake, after its ticket was opened, leaves nothing to renew. */
        while (stats().ticket_key_rotations < 3 || stats().tickets_renewed == 0) {
            CHECK(come_back(&peers, &session));
            CHECK(!maintained || rekindle_maintain() == 0);
            CHECK(time(NULL) - begun < 60);
        }
        struct rekindle_stats now = stats();
        CHECK(now.tickets_renewed == now.tickets_opened_by[2]);
        CHECK(now.tickets_opened == now.tickets_opened_by[0] + now.tickets_opened_by[1]);
        CHECK(now.ticket_key_age <= 2 && !now.ticket_key_fallback && !now.ticket_key_fallbacks);
        unsigned long long ages = 0;
        for (int i = 0; i < 12; i++) {
            ages += now.ticket_ages[i];
        }
        CHECK(ages == now.tickets_opened + now.tickets_renewed);
        SSL_SESSION_free(session);
        free_peers(&peers);
        rekindle_shutdown();
        CHECK(rekindle_maintain() == -1 && said("rekindle_init"));
    }
}

/* Each ticket that does not open says why. */
static void tickets_that_do_not_open_are_counted_by_reason(void) {
    start(10);
    struct peers peers = new_peers(TLS12_TICKET);
    use_keys("a");
    SSL_SESSION *session = visit(&peers);
    unsigned char *der = NULL;
    int length = i2d_SSL_SESSION(session, &der);
    SSL_SESSION_free(session);
    CHECK(length > 100);
    for (int at = length - 1;; at--) {
        CHECK(at > 20);
        /* The last byte of the name: the vector comes behind it. */
        if (memcmp(der + at - 15, "aaaaaaaaaaaaaaaa", 16) == 0) {
            der[at + 1] ^= 1;
            break;
        }
    }
    const unsigned char *from = der;
    session = d2i_SSL_SESSION(NULL, &from, length);
    CHECK(session != NULL && !come_back(&peers, &session));
    CHECK(stats().tickets_bad_mac == 1 && stats().tickets_opened == 0);
    use_keys("b");
    CHECK(!come_back(&peers, &session));
    CHECK(stats().tickets_retired_key == 1 && stats().tickets_unknown_key == 0);
    const unsigned char other[] = "another context";
    CHECK(SSL_CTX_set_session_id_context(peers.server, other, sizeof other));
    CHECK(!come_back(&peers, &session));
    CHECK(stats().tickets_context_differs == 1 && stats().tickets_opened == 1);
    CHECK(come_back(&peers, &session) && stats().tickets_opened == 2);
    OPENSSL_free(der);
    SSL_SESSION_free(session);
    free_peers(&peers);
    rekindle_shutdown();
}

static void tickets_work_without_a_session_cache(void) {
    start(10);
    struct peers peers = new_peers(TLS12_TICKET);
    SSL_CTX_set_session_cache_mode(peers.server, SSL_SESS_CACHE_OFF);
    SSL_SESSION *session = visit(&peers);
    CHECK(come_back(&peers, &session));
    SSL_SESSION_free(session);
    free_peers(&peers);
}

static void fresh_caches_never_open_each_others_tickets(void) {
    for (enum way way = TLS12_TICKET; way <= TLS13_TICKET; way++) {
        start(10);
        struct peers peers = new_peers(way);
        SSL_SESSION *session = visit(&peers);
        rekindle_shutdown();
        start(10);
        SSL_CTX_free(peers.server);
        peers.server = new_server(way);
        CHECK(!come_back(&peers, &session));
        SSL_SESSION_free(session);
        free_peers(&peers);
        rekindle_shutdown();
    }
}

/* name[16] | iv[16] | AES-128-CBC of the session | HMAC-SHA256 of all that: what a server of the
 * reference implementation with the same keys writes and reads. */
static void tickets_are_aes_128_cbc_with_hmac_sha256(void) {
    char key[RECORD];
    const unsigned char *ticket;
    unsigned char mac[32], plain[4096];
    size_t length;
    int first, rest;
    record(key, 'a');
    start(10);
    struct peers peers = new_peers(TLS12_TICKET);
    use_keys("a");
    SSL_SESSION *session = visit(&peers);
    SSL_SESSION_get0_ticket(session, &ticket, &length);
    CHECK(length > 64 && length < sizeof plain);
    CHECK(HMAC(EVP_sha256(), key + 16, 16, ticket, length - 32, mac, NULL) != NULL);
    CHECK(memcmp(mac, ticket + length - 32, sizeof mac) == 0);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    CHECK(EVP_DecryptInit_ex(cipher, EVP_aes_128_cbc(), NULL, (unsigned char *)key + 32,
                             ticket + 16));
    CHECK(EVP_DecryptUpdate(cipher, plain, &first, ticket + 32, (int)length - 64));
    CHECK(EVP_DecryptFinal_ex(cipher, plain + first, &rest));
    EVP_CIPHER_CTX_free(cipher);
    const unsigned char *at = plain;
    SSL_SESSION *opened = d2i_SSL_SESSION(NULL, &at, first + rest);
    CHECK(opened != NULL);
    SSL_SESSION_free(opened);
    SSL_SESSION_free(session);
    free_peers(&peers);
}

const struct test_case TICKET_CASES[] = {
    CASE(an_update_needs_a_cache),
    CASE(bad_updates_leave_the_keys_in_use),
    CASE(what_is_behind_the_last_record_is_ignored_with_a_warning),
    CASE(the_first_key_seals_and_all_open),
    CASE(only_tls_1_3_renews_tickets_of_the_first_key),
    CASE(own_keys_rotate_without_a_gap),
    CASE(tickets_that_do_not_open_are_counted_by_reason),
    CASE(tickets_work_without_a_session_cache),
    CASE(fresh_caches_never_open_each_others_tickets),
    CASE(tickets_are_aes_128_cbc_with_hmac_sha256),
    END_OF_CASES,
};
