/* Stands in for the DNS: the addresses of the name "A,B" are those of A and of B, in this order. */
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints,
                struct addrinfo **found) {
    lookup *real;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    const char *comma = strchr(name, ',');
    if (comma == NULL) {
        return real(name, port, hints, found);
    }
    char first[64];
    snprintf(first, sizeof first, "%.*s", (int)(comma - name), name);
    int error = real(first, port, hints, found);
    return error != 0 ? error : real(comma + 1, port, hints, &(*found)->ai_next);
}
