/* TLS peers in one process, joined by a pipe in memory. */
#ifndef TLS_H
#define TLS_H

#include "contract.h"

/* The ways to come back. */
enum way { TLS12_ID, TLS12_TICKET, TLS13_TICKET, TLS13_STATEFUL, WAYS };

/* Whether the session travels with the client. */
int is_stateless(enum way way);

/* A server's context with a certificate, attached to the cache, made for `way`. */
SSL_CTX *new_server(enum way way);

SSL_CTX *new_client(enum way way);

/* One server and one client. */
struct peers {
    SSL_CTX *server, *client;
};

struct peers new_peers(enum way way);
void free_peers(struct peers *peers);

struct connection {
    SSL *server, *client;
};

/* Shakes hands, offering a session or not (NULL), and has the client read a byte. */
struct connection shake_hands(SSL_CTX *server, SSL_CTX *client, SSL_SESSION *offer);

/* Closes as peers should, or hangs up. */
void close_connection(struct connection *connection);
void hang_up(struct connection *connection);

/* A full handshake, closed; returns the client's session. */
SSL_SESSION *visit(struct peers *peers);

/* A handshake that offers `*session`, which it replaces by what the client has afterwards. Whether it
 * was resumed. */
int come_back(struct peers *peers, SSL_SESSION **session);

/* The id of the connection's session at the server. */
TSSslSessionID id_at(const struct connection *connection);

#endif
