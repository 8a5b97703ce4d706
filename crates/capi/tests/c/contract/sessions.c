/* The table "Sessions": TSSslSessionGet, GetBuffer, Insert, Remove and rekindle_session_take. */
#include "contract.h"

#include <limits.h>
#include <time.h>

/* Lengths of ids that every call refuses. */
static const size_t BAD_LENGTHS[] = {0, 33, 255, SIZE_MAX};
enum { BAD = sizeof BAD_LENGTHS / sizeof *BAD_LENGTHS };

/* TSSslSessionGetBuffer() finds nothing, and leaves its buffer and length as they are. */
static void find_nothing(const TSSslSessionID *id) {
    char buffer[8] = "before!";
    int length = sizeof buffer;
    CHECK(TSSslSessionGetBuffer(id, buffer, &length) == 0);
    CHECK(length == sizeof buffer && strcmp(buffer, "before!") == 0);
}

/* Inserts a session and writes its encoding, as OpenSSL makes it, to `der`. Returns its length. */
static int put_and_encode(const TSSslSessionID *id, unsigned char der[4096]) {
    SSL_SESSION *session = make_session(id, 0, 300, 0);
    insert(id, session);
    int length = i2d_SSL_SESSION(session, NULL);
    CHECK(length > 0 && length < 4096 && i2d_SSL_SESSION(session, &der) == length);
    SSL_SESSION_free(session);
    return length;
}

CASE(get_without_a_cache) {
    TSSslSessionID id = id_of("id");
    CHECK(TSSslSessionGet(&id) == NULL && said("rekindle_init"));
}

CASE_WITH_ID(get_refuses_invalid_ids) {
    put(&id);
    CHECK(TSSslSessionGet(NULL) == NULL && said("NULL"));
    for (size_t i = 0; i < BAD; i++) {
        id.len = BAD_LENGTHS[i];
        CHECK(TSSslSessionGet(&id) == NULL && said("1 to 32 bytes"));
    }
    CHECK(stats().refused_invalid >= 5 && stats().misses == 0);
}

CASE_WITH_ID(get_misses) {
    CHECK(TSSslSessionGet(&id) == NULL && rekindle_last_error()[0] == '\0');
    CHECK(stats().misses == 1);
}

CASE_WITH_ID(get_hands_out_a_reference) {
    SSL_SESSION *session = make_session(&id, 0, 300, 0);
    int before = sessions_freed();
    insert(&id, session);
    /* The same object: nothing is parsed. */
    CHECK((SSL_SESSION *)TSSslSessionGet(&id) == session);
    CHECK(stats().hits == 1);
    CHECK(TSSslSessionRemove(&id) == TS_SUCCESS);
    rekindle_shutdown();
    /* The cache has dropped its reference; make_session()'s and Get's keep the session alive. */
    CHECK(sessions_freed() == before);
    unsigned length;
    CHECK(memcmp(SSL_SESSION_get_id(session, &length), id.bytes, id.len) == 0);
    SSL_SESSION_free(session);
    CHECK(sessions_freed() == before);
    SSL_SESSION_free(session);
    CHECK(sessions_freed() == before + 1);
}

CASE_WITH_ID(shutdown_lets_go_of_sessions) {
    int before = sessions_freed();
    put(&id);
    CHECK(sessions_freed() == before);
    rekindle_shutdown();
    CHECK(sessions_freed() == before + 1);
}

CASE_WITH_ID(an_expired_session_is_not_found) {
    put_new(&id, 102, 100, 0);
    CHECK(TSSslSessionGet(&id) == NULL);
    find_nothing(&id);
    CHECK(rekindle_session_take(&id) == NULL);
    CHECK(stats().expired == 2 && stats().misses == 0);
}

CASE_WITH_ID(a_session_is_valid_in_its_last_second) {
    time_t second;
    do {
        second = time(NULL);
        put_new(&id, 100, 100, 0);
        int found = there(&id);
        if (time(NULL) == second) {
            CHECK(found);
        }
        /* Again if the second ended in between. */
    } while (time(NULL) != second);
}

CASE(get_buffer_refuses_invalid_arguments) {
    TSSslSessionID id = id_of("id");
    char buffer[4] = "abc";
    find_nothing(&id);
    CHECK(said("rekindle_init"));
    start(10);
    put(&id);
    find_nothing(NULL);
    CHECK(TSSslSessionGetBuffer(&id, buffer, NULL) == 0);
    CHECK(said("len_ptr") && strcmp(buffer, "abc") == 0);
    CHECK(TSSslSessionGetBuffer(&id, NULL, NULL) == 0);
    for (size_t i = 0; i < BAD; i++) {
        id.len = BAD_LENGTHS[i];
        find_nothing(&id);
    }
    CHECK(stats().hits == 0 && stats().misses == 0);
}

CASE_WITH_ID(get_buffer_misses) {
    find_nothing(&id);
    CHECK(rekindle_last_error()[0] == '\0');
    CHECK(stats().misses == 1);
}

CASE_WITH_ID(get_buffer_stores_the_whole_session) {
    unsigned char der[4096];
    char buffer[4096];
    int needed = put_and_encode(&id, der);
    /* Room to spare, and exactly enough. */
    for (int room = (int)sizeof buffer; room >= needed; room = room > needed ? needed : 0) {
        int length = room;
        memset(buffer, '#', sizeof buffer);
        CHECK(TSSslSessionGetBuffer(&id, buffer, &length) == needed);
        CHECK(length == needed && memcmp(buffer, der, (size_t)needed) == 0);
        CHECK(buffer[needed] == '#');
    }
    const unsigned char *at = (const unsigned char *)buffer;
    SSL_SESSION *parsed = d2i_SSL_SESSION(NULL, &at, needed);
    CHECK(parsed != NULL);
    SSL_SESSION_free(parsed);
    CHECK(stats().hits == 2);
}

CASE_WITH_ID(get_buffer_stores_what_fits) {
    unsigned char der[4096];
    int needed = put_and_encode(&id, der);
    for (int room = 0; room < needed; room++) {
        /* On the heap, one byte longer: a memory checker sees a byte beyond. */
        char *buffer = malloc((size_t)room + 1);
        CHECK(buffer != NULL);
        buffer[room] = '#';
        int length = room;
        CHECK(TSSslSessionGetBuffer(&id, buffer, &length) == needed);
        CHECK(length == room && memcmp(buffer, der, (size_t)room) == 0 && buffer[room] == '#');
        free(buffer);
    }
}

CASE_WITH_ID(get_buffer_tells_the_size) {
    unsigned char der[4096];
    char buffer[4] = "abc";
    int lengths[] = {0, 1, INT_MAX, -1, INT_MIN};
    int needed = put_and_encode(&id, der);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        int length = lengths[i];
        CHECK(TSSslSessionGetBuffer(&id, NULL, &length) == needed && length == 0);
        length = lengths[i];
        CHECK(length >= 0 ||
              (TSSslSessionGetBuffer(&id, buffer, &length) == needed && length == 0));
    }
    CHECK(strcmp(buffer, "abc") == 0);
}

/* The call claims no more of a buffer than it writes. */
CASE_WITH_ID(get_buffer_survives_an_overstated_length) {
    unsigned char der[4096];
    int length = INT_MAX;
    int needed = put_and_encode(&id, der);
    char *buffer = malloc((size_t)needed);
    CHECK(buffer != NULL);
    CHECK(TSSslSessionGetBuffer(&id, buffer, &length) == needed && length == needed);
    free(buffer);
}

CASE(insert_refuses_invalid_arguments) {
    TSSslSessionID id = id_of("id");
    SSL_SESSION *session = make_session(&id, 0, 300, 0);
    CHECK(TSSslSessionInsert(&id, (TSSslSession)session, NULL) == TS_ERROR);
    CHECK(said("rekindle_init"));
    start(10);
    CHECK(stats().refused_disabled > 0);
    unsigned long long before = stats().refused_invalid;
    CHECK(TSSslSessionInsert(NULL, (TSSslSession)session, NULL) == TS_ERROR);
    CHECK(TSSslSessionInsert(&id, NULL, NULL) == TS_ERROR && said("the session is NULL"));
    for (size_t i = 0; i < BAD; i++) {
        id.len = BAD_LENGTHS[i];
        CHECK(TSSslSessionInsert(&id, (TSSslSession)session, NULL) == TS_ERROR);
    }
    CHECK(stats().entries == 0 && stats().refused_invalid == before + 6);
    SSL_SESSION_free(session);
}

CASE_WITH_ID(insert_refuses_what_cannot_be_encoded) {
    SSL_SESSION *empty = SSL_SESSION_new();
    /* Counted for the process: earlier cases may have counted. */
    unsigned long long before = stats().refused_not_encodable;
    CHECK(TSSslSessionInsert(&id, (TSSslSession)empty, NULL) == TS_ERROR && said("encoded"));
    CHECK(stats().refused_not_encodable == before + 1 && stats().entries == 0);
    SSL_SESSION_free(empty);
}

CASE(insert_refuses_what_is_too_large) {
    TSSslSessionID id = id_of("id");
    rekindle_config config = {.size = sizeof config, .sessions = 10, .max_session_bytes = 1000};
    CHECK(rekindle_init(&config) == 0);
    put(&id);
    SSL_SESSION *large = make_session(&id, 0, 300, 1000);
    CHECK(TSSslSessionInsert(&id, (TSSslSession)large, NULL) == TS_ERROR);
    CHECK(said("above the limit of 1000") && stats().refused_too_large == 1);
    /* The session that was there has stayed. */
    SSL_SESSION *still = (SSL_SESSION *)TSSslSessionGet(&id);
    CHECK(still != NULL && still != large);
    SSL_SESSION_free(still);
    SSL_SESSION_free(large);
}

CASE_WITH_ID(sessions_with_client_certificates_fit_by_default) {
    char buffer[8192];
    int length = sizeof buffer;
    put_new(&id, 0, 300, 5000);
    CHECK(TSSslSessionGetBuffer(&id, buffer, &length) > 5000 && length > 5000);
}

CASE_WITH_ID(insert_replaces) {
    SSL_SESSION *first = make_session(&id, 0, 300, 0), *second = make_session(&id, 0, 300, 1);
    insert(&id, first);
    insert(&id, second);
    SSL_SESSION *found = (SSL_SESSION *)TSSslSessionGet(&id);
    CHECK(found == second && stats().entries == 1);
    CHECK(stats().inserts == 1 && stats().replaced == 1);
    SSL_SESSION_free(found);
    SSL_SESSION_free(first);
    SSL_SESSION_free(second);
}

CASE(a_session_may_go_under_another_id) {
    TSSslSessionID own = id_of("own"), other = id_of("other");
    start(10);
    SSL_SESSION *session = make_session(&own, 0, 300, 0);
    insert(&other, session);
    SSL_SESSION_free(session);
    CHECK(there(&other) && !there(&own));
}

CASE(ids_are_compared_whole) {
    static const char *const IDS[] = {
        "a", "ab", "abcd", "abcde", "abcdefghijklmnopqrstuvwxyz012345",
        "abcdefghijklmnopqrstuvwxyz01234", "abcdefghijklmnopqrstuvwxyz012346",
    };
    TSSslSessionID shorter = id_of("ab"), padded = id_of("ab");
    start(100);
    padded.len = 3;
    put(&shorter);
    CHECK(!there(&padded));
    /* Bytes behind an id's length are no part of it. */
    shorter.bytes[2] = 'x';
    CHECK(there(&shorter));
    for (size_t i = 0; i < sizeof IDS / sizeof *IDS; i++) {
        TSSslSessionID id = id_of(IDS[i]);
        CHECK(there(&id) == (i == 1));
    }
}

CASE(remove_refuses_invalid_ids) {
    TSSslSessionID id = id_of("id");
    CHECK(TSSslSessionRemove(&id) == TS_ERROR && said("rekindle_init"));
    start(10);
    CHECK(TSSslSessionRemove(NULL) == TS_ERROR);
    for (size_t i = 0; i < BAD; i++) {
        id.len = BAD_LENGTHS[i];
        CHECK(TSSslSessionRemove(&id) == TS_ERROR && said("1 to 32 bytes"));
    }
}

CASE(remove_removes_and_succeeds_without) {
    TSSslSessionID id = id_of("id"), other = id_of("other");
    start(10);
    put(&id);
    put(&other);
    CHECK(TSSslSessionRemove(&id) == TS_SUCCESS);
    CHECK(!there(&id) && there(&other));
    CHECK(TSSslSessionRemove(&id) == TS_SUCCESS);
    CHECK(stats().removed == 1 && stats().entries == 1);
}

CASE(take_hands_out_once) {
    TSSslSessionID id = id_of("id");
    CHECK(rekindle_session_take(&id) == NULL && said("rekindle_init"));
    start(10);
    CHECK(rekindle_session_take(NULL) == NULL && said("NULL"));
    SSL_SESSION *session = make_session(&id, 0, 300, 0);
    insert(&id, session);
    CHECK(rekindle_session_take(&id) == session);
    SSL_SESSION_free(session);
    CHECK(rekindle_session_take(&id) == NULL && rekindle_last_error()[0] == '\0');
    CHECK(!there(&id) && stats().taken == 1);
    SSL_SESSION_free(session);
    id.len = 33;
    CHECK(rekindle_session_take(&id) == NULL && said("1 to 32 bytes"));
}

CASE(the_cache_is_bounded) {
    start(16);
    for (int i = 0; i < 200; i++) {
        char text[16];
        snprintf(text, sizeof text, "id %d", i);
        TSSslSessionID id = id_of(text);
        put(&id);
        CHECK(there(&id));
        CHECK(stats().entries <= 16);
    }
    struct rekindle_stats s = stats();
    CHECK(s.capacity == 16 && s.inserts == 200);
    CHECK(s.evicted_expired + s.evicted_unused + s.evicted_idle + s.evicted_line_full + s.entries ==
          200);
}
