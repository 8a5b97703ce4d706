/*
 * contract --list          the names of all cases
 * contract [-t N] CASE...  runs these; -t divides repetitions by N
 */
#include "contract.h"

static const struct test_case *const ALL[] = {
    LIFECYCLE_CASES, SESSION_CASES, HOOK_CASES, TICKET_CASES, HANDSHAKE_CASES, THREAD_CASES, NULL,
};

static void list(void) {
    for (size_t i = 0; ALL[i] != NULL; i++) {
        for (const struct test_case *c = ALL[i]; c->name != NULL; c++) {
            puts(c->name);
        }
    }
}

static int run(const char *name) {
    for (size_t i = 0; ALL[i] != NULL; i++) {
        for (const struct test_case *c = ALL[i]; c->name != NULL; c++) {
            if (strcmp(c->name, name) == 0) {
                c->run();
                rekindle_shutdown();
                return 0;
            }
        }
    }
    fprintf(stderr, "there is no case %s\n", name);
    return 1;
}

int main(int argc, char **argv) {
    int first = 1;
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list();
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "-t") == 0) {
        thrift = atoi(argv[2]);
        first = 3;
    }
    for (int i = first; i < argc; i++) {
        if (run(argv[i]) != 0) {
            return 1;
        }
    }
    return argc > first ? 0 : 2;
}
