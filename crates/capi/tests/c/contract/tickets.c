/* The table "Ticket keys": TSSslTicketKeyUpdate, and what it does to tickets. */
#include "tls.h"

#include <limits.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

/* Updates the ring with keys of these names, one a character. */
static void use_keys(const char *names) {
    char records[8 * RECORD];
    int keys = (int)strlen(names);
    for (int i = 0; i < keys; i++) {
        make_record(records + i * RECORD, names[i]);
    }
    CHECK(TSSslTicketKeyUpdate(records, keys * RECORD) == TS_SUCCESS);
    CHECK(rekindle_last_error()[0] == '\0');
}

/* The name of the key that sealed the client's ticket. */
static const unsigned char *key_name(const struct peers *peers) {
    const unsigned char *ticket;
    size_t length;
    SSL_SESSION_get0_ticket(peers->session, &ticket, &length);
    CHECK(length > 16);
    return ticket;
}

static char sealed_by(const struct peers *peers) {
    const unsigned char *name = key_name(peers);
    CHECK(name[0] == name[15]);
    return (char)name[0];
}

CASE(an_update_needs_a_cache) {
    char records[RECORD];
    make_record(records, 'a');
    CHECK(TSSslTicketKeyUpdate(records, RECORD) == TS_ERROR && said("rekindle_init"));
}

static const char PRIVATE_KEY[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n";

static void refuse(char *records, int length, const char *why) {
    CHECK(TSSslTicketKeyUpdate(records, length) == TS_ERROR && said(why));
}

CASE_FOR(TLS12_TICKET, bad_updates_leave_the_keys_in_use) {
    char records[3 * RECORD];
    use_keys("a");
    visit(peers);
    CHECK(sealed_by(peers) == 'a');
    refuse(NULL, RECORD, "NULL");
    refuse(NULL, 0, "NULL");
    make_record(records, 'b');
    refuse(records, 0, "48");
    refuse(records, RECORD - 1, "48");
    refuse(records, -1, "negative");
    refuse(records, INT_MIN, "negative");
    memset(records + RECORD, 0, RECORD);
    refuse(records, 2 * RECORD, "zero");
    memset(records + RECORD, 'x', RECORD);
    refuse(records, 2 * RECORD, "ticket key 2 has a secret that is one repeated byte");
    make_record(records + RECORD, 'c');
    memcpy(records + RECORD + 32, records + RECORD + 16, 16);
    refuse(records, 2 * RECORD, "ticket key 2 encrypts with its MAC secret");
    memcpy(records + RECORD + 16, "neither of these two was random.", 32);
    refuse(records, 2 * RECORD, "ticket key 2 has secrets that look like text");
    refuse((char *)PRIVATE_KEY, sizeof PRIVATE_KEY - 1, "looks like PEM, such as a private key");
    make_record(records + RECORD, 'c');
    make_record(records + 2 * RECORD, 'b');
    refuse(records, 3 * RECORD, "ticket key 1 and ticket key 3 have the same name");
    memset(records + 2 * RECORD, 'd', 16);
    refuse(records, 3 * RECORD, "ticket key 1 and ticket key 3 have the same secrets");
    CHECK(come_back(peers) && sealed_by(peers) == 'a');
    CHECK(stats().tickets_opened == 1);
}

CASE_FOR(TLS12_TICKET, what_is_behind_the_last_record_is_ignored_with_a_warning) {
    char records[2 * RECORD];
    make_record(records, 'a');
    memset(records + RECORD, '\n', RECORD);
    for (int extra = 1; extra < RECORD; extra += 46) {
        CHECK(TSSslTicketKeyUpdate(records, RECORD + extra) == TS_SUCCESS);
        CHECK(said("warning") && said("ignored"));
    }
    visit(peers);
    CHECK(sealed_by(peers) == 'a');
}

CASE_FOR(STATELESS, the_first_key_seals_and_all_open) {
    use_keys("a");
    visit(peers);
    use_keys("bac");
    CHECK(come_back(peers));
    CHECK(sealed_by(peers) == 'b' && stats().tickets_renewed == 1);
    CHECK(come_back(peers) && sealed_by(peers) == 'b');
    CHECK(stats().tickets_opened == 1);
    use_keys("c");
    CHECK(!come_back(peers));
    CHECK(sealed_by(peers) == 'c' && stats().tickets_retired_key == 1);
}

/* In TLS 1.2 the callback returns 1 for the first key, and the client keeps its ticket. In TLS 1.3
 * a ticket is for one use, and each handshake brings a new one. */
CASE_FOR(STATELESS, only_tls_1_3_renews_tickets_of_the_first_key) {
    visit(peers);
    unsigned long long before = stats().tickets_sealed;
    CHECK(come_back(peers));
    CHECK((stats().tickets_sealed == before) == (peers->way == TLS12_TICKET));
}

/* Without keys from the program the library makes its own, and the last one still opens tickets.
 * Handshakes rotate them if the program does not call rekindle_maintain(). */
CASE(own_keys_rotate_without_a_gap) {
    for (int maintained = 0; maintained < 2; maintained++) {
        rekindle_config config = {
            .size = sizeof config, .ticket_key_period = 1, .session_timeout = 60};
        CHECK(rekindle_init(&config) == 0);
        CHECK(stats().ticket_keys >= 2 && stats().ticket_key_rotations == 0);
        CHECK(stats().ticket_key_seals_for <= 2 && stats().ticket_key_next_rotation <= 1);
        struct peers peers = new_peers(TLS13_TICKET);
        visit(&peers);
        time_t begun = time(NULL);
        /* A rotation within a handshake, after its ticket was opened, leaves nothing to renew. */
        while (stats().ticket_key_rotations < 3 || stats().tickets_renewed == 0) {
            CHECK(come_back(&peers));
            CHECK(!maintained || rekindle_maintain() == 0);
            CHECK(time(NULL) - begun < 60);
            usleep(10000); /* Leaves the processor to other cases. */
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
        free_peers(&peers);
        rekindle_shutdown();
        CHECK(rekindle_maintain() == -1 && said("rekindle_init"));
    }
}

CASE_FOR(TLS12_TICKET, tickets_that_do_not_open_are_counted_by_reason) {
    use_keys("a");
    visit(peers);
    unsigned char *der = NULL;
    int length = i2d_SSL_SESSION(peers->session, &der);
    SSL_SESSION_free(peers->session);
    CHECK(length > 100);
    for (int at = length - 1;; at--) {
        CHECK(at > 20);
        /* The name's last byte; the IV follows it. */
        if (memcmp(der + at - 15, "aaaaaaaaaaaaaaaa", 16) == 0) {
            der[at + 1] ^= 1;
            break;
        }
    }
    const unsigned char *from = der;
    peers->session = d2i_SSL_SESSION(NULL, &from, length);
    CHECK(peers->session != NULL && !come_back(peers));
    CHECK(stats().tickets_bad_mac == 1 && stats().tickets_opened == 0);
    use_keys("b");
    CHECK(!come_back(peers));
    CHECK(stats().tickets_retired_key == 1 && stats().tickets_unknown_key == 0);
    const unsigned char other[] = "another context";
    CHECK(SSL_CTX_set_session_id_context(peers->server, other, sizeof other));
    CHECK(!come_back(peers));
    CHECK(stats().tickets_context_differs == 1 && stats().tickets_opened == 1);
    CHECK(come_back(peers) && stats().tickets_opened == 2);
    OPENSSL_free(der);
}

CASE_FOR(TLS12_TICKET, tickets_work_without_a_session_cache) {
    SSL_CTX_set_session_cache_mode(peers->server, SSL_SESS_CACHE_OFF);
    visit(peers);
    CHECK(come_back(peers));
}

/* A worker makes full handshakes after some periods of ticket keys, and hands its session over. */
static void worker(struct peers *peers, int out) {
    unsigned char bytes[8192], *end = bytes;
    usleep(3200 * 1000);
    rekindle_maintain();
    visit(peers);
    int length = i2d_SSL_SESSION(peers->session, &end);
    int is_written = write(out, bytes, (size_t)length) == length;
    free_peers(peers);
    rekindle_shutdown();
    exit(is_written ? 0 : 1);
}

CASE_FOR(STATELESS, processes_that_fork_agree_on_ticket_keys) {
    unsigned char bytes[8192], before[16];
    int ends[2], status;
    rekindle_shutdown();
    rekindle_config config = {.size = sizeof config, .sessions = 10, .session_timeout = 60};
    config.ticket_key_period = 1;
    CHECK(rekindle_init(&config) == 0 && pipe(ends) == 0);
    SSL_CTX_free(peers->server);
    peers->server = new_server(peers->way);
    visit(peers);
    memcpy(before, key_name(peers), sizeof before);
    pid_t child = fork();
    if (child == 0) {
        worker(peers, ends[1]);
    }
    /* Neither seals nor maintains meanwhile: the ticket of a later key makes it catch up. */
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    const unsigned char *at = bytes;
    SSL_SESSION_free(peers->session);
    peers->session = d2i_SSL_SESSION(NULL, &at, read(ends[0], bytes, sizeof bytes));
    CHECK(memcmp(before, key_name(peers), sizeof before) != 0);
    CHECK(come_back(peers));
    close(ends[0]);
    close(ends[1]);
}

/* Sends a byte of early data with the client's session. Whether the server takes it. */
static int takes_early_data(const struct peers *peers) {
    SSL *server = SSL_new(peers->server), *client = SSL_new(peers->client);
    SSL_SESSION *session = SSL_SESSION_dup(peers->session);
    BIO *near, *far;
    CHECK(server != NULL && client != NULL && BIO_new_bio_pair(&near, 0, &far, 0));
    SSL_set_bio(server, near, near);
    SSL_set_bio(client, far, far);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    size_t length = 0;
    char byte = '!';
    CHECK(SSL_set_session(client, session) && SSL_write_early_data(client, &byte, 1, &length) == 1);
    int result = SSL_read_early_data(server, &byte, 1, &length);
    SSL_free(client);
    SSL_free(server);
    SSL_SESSION_free(session);
    return result == SSL_READ_EARLY_DATA_SUCCESS && length == 1;
}

/* Each process has a record of flights of its own, and all that fork have the same tickets. */
CASE_FOR(TLS13_TICKET, a_process_that_has_forked_off_leaves_early_data_to_its_parent) {
    int status;
    rekindle_shutdown();
    rekindle_config config = {.size = sizeof config, .sessions = 10, .early_data = 100};
    CHECK(rekindle_init(&config) == 0);
    SSL_CTX_free(peers->server);
    peers->server = new_server(peers->way);
    visit(peers);
    pid_t child = fork();
    if (child == 0) {
        int is_left = !takes_early_data(peers) && stats().early_data_foreign == 1;
        free_peers(peers);
        rekindle_shutdown();
        exit(is_left ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(takes_early_data(peers) && takes_early_data(peers));
    CHECK(stats().early_data_accepted == 2 && stats().early_data_foreign == 0);
}

CASE_FOR(STATELESS, fresh_caches_never_open_each_others_tickets) {
    visit(peers);
    rekindle_shutdown();
    start(10);
    SSL_CTX_free(peers->server);
    peers->server = new_server(peers->way);
    CHECK(!come_back(peers));
}

/* A file in the folder for temporary files, whose path is valid until the next call. */
static const char *file_with(const char *content, size_t len) {
    static char path[256];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/rekindle-XXXXXX", folder != NULL ? folder : "/tmp");
    int file = mkstemp(path);
    CHECK(file >= 0 && write(file, content, len) == (ssize_t)len && close(file) == 0);
    return path;
}

static const char SECRET[] =
    "secret 8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4\nperiod 3600\n";

CASE_FOR(STATELESS, processes_with_one_secret_open_each_others_tickets) {
    rekindle_shutdown();
    const char *path = file_with(SECRET, sizeof SECRET - 1);
    rekindle_config config = {.size = sizeof config, .sessions = 10, .session_timeout = 60};
    config.ticket_secret = path;
    for (int i = 0; i < 3; i++) {
        CHECK(rekindle_init(&config) == 0);
        SSL_CTX_free(peers->server);
        peers->server = new_server(peers->way);
        if (i == 0) {
            visit(peers);
        }
        CHECK(come_back(peers));
        rekindle_shutdown();
    }
    start(10);
    SSL_CTX_free(peers->server);
    peers->server = new_server(peers->way);
    CHECK(!come_back(peers));
    CHECK(rekindle_ticket_keys_load(path, "secret") == 0);
    visit(peers);
    CHECK(remove(path) == 0);
    rekindle_shutdown();
    CHECK(rekindle_init(&config) == -1 && said("cannot read"));
    config.ticket_secret = file_with("secret 1\n", 9);
    CHECK(rekindle_init(&config) == -1 && said("bad ticket secret"));
    CHECK(remove(config.ticket_secret) == 0);
}

CASE_FOR(TLS12_TICKET, ticket_keys_are_loaded_by_the_name_of_their_format) {
    char key[RECORD];
    make_record(key, 'a');
    const char *path = file_with(key, sizeof key);
    CHECK(rekindle_ticket_keys_load(path, "traffic-server-48") == 0);
    visit(peers);
    CHECK(memcmp(key_name(peers), key, 16) == 0 && come_back(peers));
    CHECK(rekindle_ticket_keys_load(path, "nginx-80") == -1);
    CHECK(rekindle_ticket_keys_load(path, "TRAFFIC") == -1 && said("h2o"));
    CHECK(rekindle_ticket_keys_load(path, "\xff") == -1 && said("h2o"));
    CHECK(rekindle_ticket_keys_load(path, "secret") == -1 && said("secret"));
    CHECK(rekindle_ticket_keys_load(NULL, "secret") == -1 && said("path is NULL"));
    CHECK(rekindle_ticket_keys_load(path, NULL) == -1 && said("format is NULL"));
    CHECK(stats().refused_invalid >= 6 && come_back(peers));
    CHECK(remove(path) == 0);
    CHECK(rekindle_ticket_keys_load(path, "traffic-server-48") == -1 && said("cannot read"));
    rekindle_shutdown();
    CHECK(rekindle_ticket_keys_load(path, "secret") == -1 && said("rekindle_init"));
}

/* name[16] | iv[16] | AES-128-CBC of the session | HMAC-SHA256 of the bytes before. A server of the
 * reference implementation with the same keys writes and reads this format. */
CASE_FOR(TLS12_TICKET, tickets_are_aes_128_cbc_with_hmac_sha256) {
    char key[RECORD];
    const unsigned char *ticket;
    unsigned char mac[32], plain[4096];
    size_t length;
    int first, rest;
    make_record(key, 'a');
    use_keys("a");
    visit(peers);
    SSL_SESSION_get0_ticket(peers->session, &ticket, &length);
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
}
