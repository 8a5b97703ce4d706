/*
 * A TLS terminator that resumes sessions with Rekindle: small, but whole. For Linux and OpenSSL 3.
 *
 *   cc terminator.c $(pkg-config --cflags --libs rekindle libssl libcrypto) -pthread -o terminator
 *   ./terminator &
 *   curl -k https://127.0.0.1:8443/ https://127.0.0.1:8443/    # the second page: "resumed: yes"
 *
 *   -l ADDRESS:PORT   listen here; port 0 takes any that is free (127.0.0.1:8443)
 *   -u NAME:PORT      forward to this TCP server, at the first of its addresses that answers (none:
 *                     answer with a page about the connection)
 *   -c CERT -k KEY    certificate chain and private key, PEM files (a self-signed one in memory)
 *   -t KEYS           file of ticket keys, 48 bytes each, the newest first (one random key)
 *   -n                no stateless tickets: sessions stay in the cache, in TLS 1.3 as well
 *   -s SESSIONS       capacity of the cache (100000)
 *   -j THREADS        threads (one for each processor)
 *   -i SECONDS        timeout of a handshake, and of a silence after it (30)
 *   --early-data BYTES  accept so much early data from a client that comes back (0)
 *   -v                log handshakes, and what they do to the cache
 *
 * SIGHUP reads the ticket keys again, SIGUSR1 prints counters, SIGTERM and SIGINT end the server.
 *
 * The first section has all code for Rekindle. The rest is a server: threads that share a listening
 * socket and nothing else, each with its own connections, which it serves by epoll. Rekindle never
 * makes a thread wait, so the server needs no precaution for it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4() */
#endif

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <rekindle.h>
#include <rekindle_ts.h>

enum {
    KEY_FILE = 4800,    /* Bytes in a file of ticket keys, at the most: a hundred keys. */
    BUFFER = 16 * 1024, /* Bytes for each direction of a connection: one TLS record. */
    TURN = 16,          /* Buffers that a busy connection moves before other connections. */
    DRAIN = 5000,       /* Milliseconds that connections have to end after SIGTERM. */
    ATTEMPT = 250,      /* Milliseconds that an upstream's address has if there is another one. */
    QUIET = 10000,      /* Milliseconds after a warning that may come with every connection. */
};

/* Shared by all threads; no thread changes it. */
struct server {
    const char *address, *upstream_name, *certificate, *private_key, *ticket_keys;
    size_t sessions, threads, early_data;
    int64_t idle; /* Milliseconds. */
    bool no_tickets, verbose;
    SSL_CTX *tls;
    struct addrinfo *upstream; /* NULL: none */
    int listener, stop;        /* stop: an eventfd that is readable when the server must end */
};

static const char *tls_error(void) {
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    return reason != NULL ? reason : "no reason given";
}

/* A kind of warning that may come with every connection: one line in a while is enough. */
struct seldom {
    _Atomic int64_t next; /* When the next line may be written, in milliseconds. */
    atomic_ulong suppressed;
};

/* Writes what has failed, and why, as errno says; or counts it. */
static void warn_seldom(struct seldom *kind, int64_t now, const char *what) {
    int error = errno;
    int64_t next = kind->next;
    if (now < next || !atomic_compare_exchange_strong(&kind->next, &next, now + QUIET)) {
        kind->suppressed++;
        return;
    }
    unsigned long suppressed = atomic_exchange(&kind->suppressed, 0);
    warnx("%s: %s (%lu like it suppressed before)", what, strerror(error), suppressed);
}

/* ---- Resumption ------------------------------------------------------------------------------ */

/* A session hook. Handshakes call it on their own threads, on several at a time. */
static void log_event(int event, const TSSslSessionID *id, void *data) {
    (void)data;
    char hex[2 * TS_SSL_MAX_SSL_SESSION_ID_LENGTH + 1] = "";
    for (size_t i = 0; i < id->len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)id->bytes[i]);
    }
    const char *what = event == REKINDLE_SESSION_GET   ? "asked for"
                       : event == REKINDLE_SESSION_NEW ? "stored"
                                                       : "removed";
    warnx("session %s %s", hex, what);
}

static void start_resumption(const struct server *s) {
    rekindle_config config = {
        .size = sizeof config, .sessions = s->sessions, .early_data = (uint32_t)s->early_data};
    /* Separates these sessions from those of other services that share the ticket keys. */
    static const char scope[] = "example terminator";
    if (rekindle_init(&config) != 0 ||
        rekindle_attach_scoped(s->tls, scope, sizeof scope - 1) != 0 ||
        (s->verbose && rekindle_session_hook_add(log_event, NULL) != 0)) {
        errx(1, "no session cache: %s", rekindle_last_error());
    }
    /* By default clients keep their sessions, in tickets. */
    if (s->no_tickets) {
        SSL_CTX_set_options(s->tls, SSL_OP_NO_TICKET);
    }
    /* Many clients hang up without close_notify. Without this option SSL_read() then removes their
     * session. (In return, a truncated connection looks like one that the client has ended. HTTP
     * itself marks where a message ends.) */
    SSL_CTX_set_options(s->tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
}

/* SSL_free() removes the session of a connection that ends without close_notify, say after a
 * timeout: tell it that there was one. (After a TLS failure OpenSSL has removed the session
 * already, as it must.) */
static void free_keeping_session(SSL *tls) {
    SSL_set_shutdown(tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls);
}

/* The first key of the file seals tickets from now on, and every key of the file opens them, while
 * handshakes run. On failure the keys in use stay. (To rotate, put a new key in front, and drop a
 * key from the end when its tickets have expired.) */
static bool load_ticket_keys(const char *path) {
    char keys[KEY_FILE + 1];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        warn("ticket keys %s", path);
        return false;
    }
    bool done = false;
    setbuf(file, NULL); /* No second copy of the keys. */
    size_t length = fread(keys, 1, sizeof keys, file);
    if (ferror(file)) {
        warn("ticket keys %s", path);
    } else if (length > KEY_FILE) {
        warnx("ticket keys %s: more than %d bytes", path, KEY_FILE);
    } else {
        done = TSSslTicketKeyUpdate(keys, (int)length) == TS_SUCCESS;
        if (*rekindle_last_error() != '\0') { /* An error, or a warning. */
            warnx("ticket keys %s: %s", path, rekindle_last_error());
        }
    }
    fclose(file);
    OPENSSL_cleanse(keys, sizeof keys);
    return done;
}

static void print_stats(void) {
    struct rekindle_stats s = {.size = sizeof s};
    if (rekindle_stats(&s) == 0) {
        printf("sessions=%" PRIu64 " hits=%" PRIu64 " misses=%" PRIu64 " inserts=%" PRIu64
               " tickets_sealed=%" PRIu64 " tickets_opened=%" PRIu64 " tickets_renewed=%" PRIu64
               " tickets_unknown_key=%" PRIu64 " tickets_retired_key=%" PRIu64
               " ticket_key_rotations=%" PRIu64 "\n",
               s.entries, s.hits, s.misses, s.inserts, s.tickets_sealed, s.tickets_opened,
               s.tickets_renewed, s.tickets_unknown_key, s.tickets_retired_key,
               s.ticket_key_rotations);
    }
}

/* ---- Connections ----------------------------------------------------------------------------- */

struct worker {
    const struct server *server;
    pthread_t thread;
    int epoll;
    int64_t now, listen_again, end; /* Milliseconds; the last two are 0 if they are not set. */
    TAILQ_HEAD(, connection) open;  /* In the order in which they time out. */
    TAILQ_HEAD(, connection) trying; /* Those that will try another address of the upstream. */
};

/* Bytes in one direction. */
struct flow {
    int start, end;   /* The bytes of `data` that are received and not yet sent. */
    bool ended, done; /* ended: the sender sends no more; done: the end is passed on. */
    unsigned char data[BUFFER];
};

struct connection {
    TAILQ_ENTRY(connection) link, attempt;
    struct worker *worker;
    int64_t deadline, next_attempt; /* next_attempt: 0 if it is not among those that try. */
    const struct addrinfo *address; /* The next one of the upstream to try. */
    SSL *tls;
    int client, upstream; /* Sockets; upstream: -1 if there is none. */
    bool early_read;      /* No more early data will come. */
    bool established;     /* The handshake is done. */
    bool connecting;      /* The upstream has not answered yet. */
    struct flow request, response;
};

/* Functions that move bytes never wait. They return the number of bytes, or one of these: */
enum { AGAIN = -1, FAILED = -2 };
/* Returns 0 at the end of the input. */
typedef int receive_function(struct connection *c, unsigned char *into, int room);
/* A length of 0 stands for the end of the input. */
typedef int send_function(struct connection *c, const unsigned char *from, int length);

static int tls_result(struct connection *c, int result) {
    int error = SSL_get_error(c->tls, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return AGAIN;
    }
    if (error == SSL_ERROR_SSL && c->worker->server->verbose) {
        warnx("TLS failed: %s", tls_error());
    }
    return error == SSL_ERROR_NONE ? result : FAILED;
}

static int receive_client(struct connection *c, unsigned char *into, int room) {
    ERR_clear_error(); /* SSL_get_error() would report an old error. */
    int n = SSL_read(c->tls, into, room);
    return SSL_get_error(c->tls, n) == SSL_ERROR_ZERO_RETURN ? 0 : tls_result(c, n);
}

static int send_client(struct connection *c, const unsigned char *from, int length) {
    ERR_clear_error();
    if (length > 0) {
        return tls_result(c, SSL_write(c->tls, from, length));
    }
    int result = SSL_shutdown(c->tls);
    if (result < 0) {
        return tls_result(c, result);
    }
    shutdown(c->client, SHUT_WR);
    return 0;
}

static void warn_upstream(const struct connection *c) {
    static struct seldom kind;
    char what[300];
    snprintf(what, sizeof what, "upstream %s", c->worker->server->upstream_name);
    warn_seldom(&kind, c->worker->now, what);
}

static int tcp_result(struct connection *c, ssize_t result) {
    if (result < 0 && errno == EAGAIN) {
        return AGAIN;
    }
    if (result < 0) {
        warn_upstream(c);
        return FAILED;
    }
    return (int)result;
}

static int receive_upstream(struct connection *c, unsigned char *into, int room) {
    return tcp_result(c, recv(c->upstream, into, (size_t)room, 0));
}

static int send_upstream(struct connection *c, const unsigned char *from, int length) {
    ssize_t n = send(c->upstream, from, (size_t)length, 0);
    if (n < 0 && errno == EPIPE) {
        return length; /* The upstream has sent its answer, and reads no more. */
    }
    if (n == 0) {
        shutdown(c->upstream, SHUT_WR);
    }
    return tcp_result(c, n);
}

/* Without an upstream: the answer to every request. */
static int receive_page(struct connection *c, unsigned char *into, int room) {
    bool asked = c->request.end > 0, answered = c->response.end > 0;
    if (answered || !asked) {
        return answered || c->request.ended ? 0 : AGAIN;
    }
    return snprintf((char *)into, (size_t)room,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
                    "protocol: %s\ncipher: %s\nresumed: %s\nearly data: %s\n",
                    SSL_get_version(c->tls), SSL_get_cipher_name(c->tls),
                    SSL_session_reused(c->tls) ? "yes" : "no",
                    SSL_get_early_data_status(c->tls) == SSL_EARLY_DATA_ACCEPTED ? "yes" : "no");
}

static int send_nowhere(struct connection *c, const unsigned char *from, int length) {
    (void)c, (void)from;
    return length;
}

/* Moves the bytes that are available, one buffer at most. Returns 0, AGAIN or FAILED. */
static int pump(struct connection *c, struct flow *flow, receive_function *receive,
                send_function *send) {
    if (flow->done) {
        return AGAIN;
    }
    if (flow->start == flow->end && !flow->ended) {
        int received = receive(c, flow->data, BUFFER);
        if (received < 0) {
            return received;
        }
        flow->start = 0;
        flow->end = received;
        flow->ended = received == 0;
    }
    int sent = send(c, flow->data + flow->start, flow->end - flow->start);
    if (sent < 0) {
        return sent;
    }
    flow->start += sent;
    flow->done = flow->ended;
    return 0;
}

/* Edge-triggered: epoll reports each change once. */
static bool watch(struct connection *c, int operation, int socket) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    return epoll_ctl(c->worker->epoll, operation, socket, &event) == 0;
}

static void stop_trying(struct connection *c) {
    if (c->next_attempt != 0) {
        TAILQ_REMOVE(&c->worker->trying, c, attempt);
        c->next_attempt = 0;
    }
}

static bool start_connecting(struct connection *c, const struct addrinfo *to) {
    c->upstream = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return c->upstream >= 0 &&
           setsockopt(c->upstream, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) == 0 &&
           (connect(c->upstream, to->ai_addr, to->ai_addrlen) == 0 || errno == EINPROGRESS) &&
           watch(c, EPOLL_CTL_ADD, c->upstream);
}

/* Tries the addresses of the upstream one after the other. Each is given up when it fails, or after
 * a moment; the last one has as long as the connection may be silent. Returns AGAIN or FAILED. */
static int try_next_address(struct connection *c) {
    struct worker *w = c->worker;
    stop_trying(c);
    while (c->address != NULL) {
        const struct addrinfo *to = c->address;
        c->address = to->ai_next;
        if (c->upstream >= 0) {
            close(c->upstream);
        }
        if (start_connecting(c, to)) {
            if (c->address != NULL) {
                c->next_attempt = w->now + ATTEMPT;
                TAILQ_INSERT_TAIL(&w->trying, c, attempt);
            }
            return AGAIN;
        }
    }
    warn_upstream(c);
    return FAILED;
}

/* Returns 0 if the upstream has answered, or else AGAIN or FAILED. */
static int finish_connecting(struct connection *c) {
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    int error = 0;
    getsockopt(c->upstream, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error});
    if (error != 0) {
        errno = error;
        return try_next_address(c);
    }
    if (getpeername(c->upstream, (struct sockaddr *)&peer, &length) != 0) {
        return AGAIN;
    }
    stop_trying(c);
    c->connecting = false;
    return 0;
}

/* Early data waits as the beginning of the request until the handshake is complete: by then it is
 * the client's own. (A server that answers earlier must know which requests are safe to repeat.) */
static int read_early_data(struct connection *c) {
    struct flow *request = &c->request;
    while (!c->early_read) {
        size_t length = 0;
        ERR_clear_error();
        int result = SSL_read_early_data(c->tls, request->data + request->end,
                                         (size_t)(BUFFER - request->end), &length);
        request->end += (int)length;
        if (result == SSL_READ_EARLY_DATA_ERROR) {
            return tls_result(c, -1);
        }
        c->early_read = result == SSL_READ_EARLY_DATA_FINISH;
    }
    return 0;
}

static int handshake(struct connection *c) {
    const struct server *s = c->worker->server;
    if (s->early_data > 0) {
        int read = read_early_data(c);
        if (read != 0) {
            return read;
        }
    }
    ERR_clear_error();
    int result = tls_result(c, SSL_accept(c->tls));
    if (result <= 0) {
        return result == AGAIN ? AGAIN : FAILED;
    }
    c->established = true;
    if (s->verbose) {
        warnx("%s, %s", SSL_get_version(c->tls), SSL_session_reused(c->tls) ? "resumed" : "new");
    }
    if (s->upstream == NULL) {
        return 0;
    }
    c->connecting = true;
    c->address = s->upstream;
    return try_next_address(c);
}

/* Restarts a connection's timeout. */
static void touch(struct connection *c) {
    struct worker *w = c->worker;
    TAILQ_REMOVE(&w->open, c, link);
    TAILQ_INSERT_TAIL(&w->open, c, link);
    c->deadline = w->now + w->server->idle;
}

/* Does what it can without waiting. Returns false at the end of the connection. */
static bool advance(struct connection *c) {
    int result = c->established ? 0 : handshake(c);
    if (result == 0 && c->connecting) {
        result = finish_connecting(c);
    }
    if (result != 0) {
        return result == AGAIN;
    }
    bool page = c->upstream < 0;
    for (int turn = 0; turn < TURN; turn++) {
        int there = pump(c, &c->request, receive_client, page ? send_nowhere : send_upstream);
        if (there == FAILED) {
            return false;
        }
        int back = pump(c, &c->response, page ? receive_page : receive_upstream, send_client);
        if (back == FAILED || (c->request.done && c->response.done)) {
            return false;
        }
        if (there == AGAIN && back == AGAIN) {
            return true;
        }
        touch(c);
    }
    /* Other connections come first. This makes epoll report the connection again. */
    return watch(c, EPOLL_CTL_MOD, c->client) &&
           (c->upstream < 0 || watch(c, EPOLL_CTL_MOD, c->upstream));
}

static void close_connection(struct connection *c) {
    TAILQ_REMOVE(&c->worker->open, c, link);
    stop_trying(c);
    free_keeping_session(c->tls);
    close(c->client);
    if (c->upstream >= 0) {
        close(c->upstream);
    }
    free(c);
}

/* ---- Threads --------------------------------------------------------------------------------- */

static bool start_listening(struct worker *w) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = NULL};
    return epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->server->listener, &event) == 0;
}

static void accept_connection(struct worker *w) {
    static struct seldom kind;
    int socket = accept4(w->server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* Clients wait in the listener's queue for a second, in which connections may end. */
            warn_seldom(&kind, w->now, "accept");
            epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->server->listener, NULL);
            w->listen_again = w->now + 1000;
        }
        return; /* Otherwise another thread was faster. */
    }
    struct connection *c = calloc(1, sizeof *c);
    SSL *tls = SSL_new(w->server->tls);
    if (c == NULL || tls == NULL || SSL_set_fd(tls, socket) != 1) {
        errno = ENOMEM;
        warn_seldom(&kind, w->now, "accept");
        SSL_free(tls);
        free(c);
        close(socket);
        return;
    }
    c->worker = w;
    c->tls = tls;
    c->client = socket;
    c->upstream = -1;
    TAILQ_INSERT_TAIL(&w->open, c, link);
    touch(c);
    if (!watch(c, EPOLL_CTL_ADD, socket)) {
        warn("epoll");
        close_connection(c);
    }
}

/* Closes what has been silent for too long, and gives up addresses that do not answer. */
static void end_what_is_due(struct worker *w) {
    struct connection *c;
    while ((c = TAILQ_FIRST(&w->trying)) != NULL && c->next_attempt <= w->now) {
        errno = ETIMEDOUT;
        if (try_next_address(c) == FAILED) {
            close_connection(c);
        }
    }
    while ((c = TAILQ_FIRST(&w->open)) != NULL && c->deadline <= w->now) {
        if (c->connecting) {
            errno = ETIMEDOUT;
            warn_upstream(c);
        }
        close_connection(c);
    }
}

static int64_t milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *work(void *argument) {
    struct worker *w = argument;
    while (w->end == 0 || (!TAILQ_EMPTY(&w->open) && w->now < w->end)) {
        /* One event at a time: no event is left for a connection that has been closed. */
        struct epoll_event event = {0};
        int events = epoll_wait(w->epoll, &event, 1, TAILQ_EMPTY(&w->trying) ? 1000 : ATTEMPT / 5);
        w->now = milliseconds();
        if (events > 0 && event.data.ptr == NULL) { /* The listener. */
            accept_connection(w);
        } else if (events > 0 && event.data.ptr == w) { /* The server must end. */
            epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->server->listener, NULL);
            epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->server->stop, NULL);
            w->end = w->now + DRAIN;
        } else if (events > 0 && !advance(event.data.ptr)) {
            close_connection(event.data.ptr);
        }
        end_what_is_due(w);
        bool listen = w->listen_again != 0 && w->listen_again <= w->now && w->end == 0;
        if (listen && start_listening(w)) {
            w->listen_again = 0;
        }
    }
    while (!TAILQ_EMPTY(&w->open)) {
        close_connection(TAILQ_FIRST(&w->open));
    }
    return NULL;
}

static void start_worker(struct worker *w, const struct server *s) {
    struct epoll_event stop = {.events = EPOLLIN, .data.ptr = w};
    w->server = s;
    TAILQ_INIT(&w->open);
    TAILQ_INIT(&w->trying);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll < 0 || !start_listening(w) ||
        epoll_ctl(w->epoll, EPOLL_CTL_ADD, s->stop, &stop) != 0 ||
        (errno = pthread_create(&w->thread, NULL, work, w)) != 0) {
        err(1, "cannot start a thread");
    }
}

/* ---- Start and end --------------------------------------------------------------------------- */

static void make_certificate(SSL_CTX *tls) {
    const unsigned char *host = (const unsigned char *)"localhost";
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_NAME_new();
    if (key == NULL || cert == NULL || name == NULL ||
        X509_set_version(cert, X509_VERSION_3) != 1 ||
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, host, -1, -1, 0) != 1 ||
        X509_set_subject_name(cert, name) != 1 || X509_set_issuer_name(cert, name) != 1 ||
        ASN1_INTEGER_set(X509_get_serialNumber(cert), (long)time(NULL)) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(cert), -3600) == NULL ||
        X509_gmtime_adj(X509_getm_notAfter(cert), 30L * 24 * 3600) == NULL ||
        X509_set_pubkey(cert, key) != 1 || X509_sign(cert, key, EVP_sha256()) == 0 ||
        SSL_CTX_use_certificate(tls, cert) != 1 || SSL_CTX_use_PrivateKey(tls, key) != 1) {
        errx(1, "cannot make a certificate: %s", tls_error());
    }
    X509_NAME_free(name);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static SSL_CTX *make_context(const struct server *s) {
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL || SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) != 1) {
        errx(1, "OpenSSL: %s", tls_error());
    }
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION); /* Clients could repeat it for ever. */
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    if (s->certificate == NULL) {
        make_certificate(tls);
    } else if (SSL_CTX_use_certificate_chain_file(tls, s->certificate) != 1) {
        errx(1, "certificate %s: %s", s->certificate, tls_error());
    } else if (SSL_CTX_use_PrivateKey_file(tls, s->private_key, SSL_FILETYPE_PEM) != 1) {
        errx(1, "private key %s: %s", s->private_key, tls_error());
    }
    return tls;
}

/* ADDRESS:PORT or [ADDRESS]:PORT */
static struct addrinfo *resolve(const char *name, int flags) {
    char host[256];
    const char *port = strrchr(name, ':');
    if (port == NULL || port == name || port - name >= (ptrdiff_t)sizeof host) {
        errx(1, "%s: not ADDRESS:PORT", name);
    }
    int bracket = name[0] == '[' && port[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(port - name) - 2 * bracket, name + bracket);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags}, *found;
    int error = getaddrinfo(host, port + 1, &hints, &found);
    if (error != 0) {
        errx(1, "%s: %s", name, gai_strerror(error));
    }
    return found;
}

static int listen_on(const char *name) {
    struct addrinfo *a = resolve(name, AI_PASSIVE);
    int listener = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 ||
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) != 0 ||
        setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0 ||
        bind(listener, a->ai_addr, a->ai_addrlen) != 0 || listen(listener, SOMAXCONN) != 0) {
        err(1, "%s", name);
    }
    freeaddrinfo(a);
    return listener;
}

static void announce(int listener) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    if (getsockname(listener, (struct sockaddr *)&address, &length) == 0) {
        getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    }
    printf(strchr(host, ':') ? "listening on [%s]:%s\n" : "listening on %s:%s\n", host, port);
}

static size_t number(const char *text, size_t most) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || value < 1 || value > most) {
        errx(2, "%s: not a number from 1 to %zu", text, most);
    }
    return value;
}

static struct server read_options(int argc, char **argv) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct server s = {.address = "127.0.0.1:8443", .sessions = 100000, .idle = 30000};
    s.threads = processors > 0 ? (size_t)processors : 1;
    static const struct option words[] = {{"early-data", required_argument, NULL, 'e'}, {0}};
    const char *letters = "l:u:c:k:t:ns:j:i:v";
    for (int option; (option = getopt_long(argc, argv, letters, words, NULL)) != -1;) {
        switch (option) {
        case 'l': s.address = optarg; break;
        case 'u': s.upstream_name = optarg; break;
        case 'c': s.certificate = optarg; break;
        case 'k': s.private_key = optarg; break;
        case 't': s.ticket_keys = optarg; break;
        case 'n': s.no_tickets = true; break;
        case 's': s.sessions = number(optarg, 1u << 30); break;
        case 'j': s.threads = number(optarg, 1024); break;
        case 'i': s.idle = 1000 * (int64_t)number(optarg, 86400); break;
        case 'e': s.early_data = number(optarg, BUFFER - 1); break;
        case 'v': s.verbose = true; break;
        default: exit(2);
        }
    }
    if (optind != argc || (s.certificate == NULL) != (s.private_key == NULL)) {
        errx(2, "options are -l -u -c -k -t -n -s -j -i -v, --early-data; -c goes with -k");
    }
    return s;
}

/* Returns at SIGTERM and SIGINT. */
static void obey_signals(const sigset_t *signals, const char *ticket_keys) {
    for (int signal = 0; signal != SIGTERM && signal != SIGINT;) {
        sigwait(signals, &signal);
        if (signal == SIGUSR1) {
            print_stats();
        } else if (signal == SIGHUP && ticket_keys != NULL) {
            bool updated = load_ticket_keys(ticket_keys);
            warnx("ticket keys %s", updated ? "updated" : "stay as they were");
        }
    }
}

int main(int argc, char **argv) {
    struct server s = read_options(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);

    /* All threads inherit this mask: signals wait for obey_signals(). */
    const int handled[] = {SIGHUP, SIGUSR1, SIGTERM, SIGINT};
    sigset_t signals;
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) {
        sigaddset(&signals, handled[i]);
    }
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    s.tls = make_context(&s);
    start_resumption(&s);
    if (s.ticket_keys != NULL && !load_ticket_keys(s.ticket_keys)) {
        return 1;
    }
    s.upstream = s.upstream_name != NULL ? resolve(s.upstream_name, 0) : NULL;
    s.listener = listen_on(s.address);
    s.stop = eventfd(0, EFD_CLOEXEC);
    struct worker *workers = calloc(s.threads, sizeof *workers);
    if (s.stop < 0 || workers == NULL) {
        err(1, "cannot start");
    }
    for (size_t i = 0; i < s.threads; i++) {
        start_worker(&workers[i], &s);
    }
    announce(s.listener);

    obey_signals(&signals, s.ticket_keys);

    shutdown(s.listener, SHUT_RD);
    eventfd_write(s.stop, 1);
    for (size_t i = 0; i < s.threads; i++) {
        pthread_join(workers[i].thread, NULL);
        close(workers[i].epoll);
    }
    print_stats();
    SSL_CTX_free(s.tls);
    rekindle_shutdown();
    if (s.upstream != NULL) {
        freeaddrinfo(s.upstream);
    }
    close(s.listener);
    close(s.stop);
    free(workers);
    return 0;
}
