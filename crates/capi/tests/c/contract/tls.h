/* TLS peers in one process, joined by a pipe in memory. */
#ifndef TLS_H
#define TLS_H

#include "contract.h"

/* The ways to resume, and sets of them: the session is in the cache, or in the client's ticket. */
enum way {
    TLS12_ID = 1,
    TLS12_TICKET = 2,
    TLS13_TICKET = 4,
    TLS13_STATEFUL = 8,
    STATEFUL = TLS12_ID | TLS13_STATEFUL,
    STATELESS = TLS12_TICKET | TLS13_TICKET,
    ALL_WAYS = STATEFUL | STATELESS,
};

/* A server and a client for one way, and the client's session: the last one, or NULL. */
struct peers {
    enum way way;
    SSL_CTX *server, *client;
    SSL_SESSION *session;
};

/* Defines a case that runs once for each way of a set, each time with a new cache, an attached
 * server and a client: CASE_FOR(ways, name) { body that uses `peers` } */
#define CASE_FOR(ways, name)                                                                       \
    static void name##_in(struct peers *peers);                                                    \
    CASE(name) {                                                                                   \
        for_each_way(ways, name##_in);                                                             \
    }                                                                                              \
    static void name##_in(struct peers *peers)

void for_each_way(enum way ways, void (*body)(struct peers *peers));

/* A server's context with a certificate, attached to the cache, and a client's, made for `way`. */
SSL_CTX *new_server(enum way way);
SSL_CTX *new_client(enum way way);

struct peers new_peers(enum way way);
void free_peers(struct peers *peers);

struct connection {
    SSL *server, *client;
};

/* A full handshake, after which the client reads a byte. */
struct connection connect_peers(const struct peers *peers);

/* Closes as peers should, or hangs up. */
void close_connection(struct connection *connection);
void hang_up(struct connection *connection);

/* A full handshake, closed. */
void visit(struct peers *peers);

/* A handshake that offers the client's session, closed. Whether it was resumed. */
int come_back(struct peers *peers);

/* The id of the connection's session at the server. */
TSSslSessionID id_at(const struct connection *connection);

#endif
