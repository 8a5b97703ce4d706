/*
 * A program that loads the library, uses it, and unloads it. The library must stay: OpenSSL still
 * calls the functions that it has registered.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include <openssl/ssl.h>

#define FUNCTION(result, name, ...) result (*name)(__VA_ARGS__)

static void *library;

static void *symbol(const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "%s\n", dlerror());
    }
    return found;
}

/* On a thread that ends: a live thread that has made a call would keep the library anyway. */
static void *use(void *done) {
    FUNCTION(int, init, const void *);
    FUNCTION(int, attach, SSL_CTX *);
    FUNCTION(void, end, void);
    *(void **)&init = symbol("rekindle_init");
    *(void **)&attach = symbol("rekindle_attach");
    *(void **)&end = symbol("rekindle_shutdown");
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"c", 1);
    if (init != NULL && attach != NULL && end != NULL && init(NULL) == 0 && attach(ctx) == 0) {
        end();
        *(int *)done = 1;
    }
    SSL_CTX_free(ctx);
    return NULL;
}

int main(int argc, char **argv) {
    int done = 0;
    pthread_t thread;
    library = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
    if (library == NULL || pthread_create(&thread, NULL, use, &done) != 0 ||
        pthread_join(thread, NULL) != 0 || !done || dlclose(library) != 0) {
        return 1;
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_free(SSL_new(ctx));
    SSL_CTX_free(ctx);
    return 0;
}
