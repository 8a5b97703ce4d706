/* contract [-t N] CASE...: runs these cases; -t divides repetitions by N. */
#include "contract.h"

#include <dlfcn.h>

int main(int argc, char **argv) {
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "-t") == 0) {
        thrift = atoi(argv[2]);
        first = 3;
    }
    for (int i = first; i < argc; i++) {
        char name[128];
        void (*run)(void);
        snprintf(name, sizeof name, "case_%s", argv[i]);
        *(void **)&run = dlsym(NULL, name);
        if (run == NULL) {
            fprintf(stderr, "there is no case %s\n", argv[i]);
            return 1;
        }
        run();
        rekindle_shutdown();
    }
    return argc > first ? 0 : 2;
}
