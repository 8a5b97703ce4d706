/*
 * contract --list          file and name of each case
 * contract [-t N] CASE...  runs these; -t divides repetitions by N
 */
#include "contract.h"

static struct test_case *cases;

void add_case(struct test_case *test_case) {
    test_case->next = cases;
    cases = test_case;
}

static int run(const char *name) {
    for (struct test_case *c = cases; c != NULL; c = c->next) {
        if (strcmp(c->name, name) == 0) {
            c->run();
            rekindle_shutdown();
            return 0;
        }
    }
    fprintf(stderr, "there is no case %s\n", name);
    return 1;
}

int main(int argc, char **argv) {
    int first = 1;
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (struct test_case *c = cases; c != NULL; c = c->next) {
            printf("%s %s\n", c->file, c->name);
        }
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
