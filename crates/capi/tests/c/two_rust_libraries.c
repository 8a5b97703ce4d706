/* A program that contains the archive and another Rust library, which panics and survives it. */
#include "rekindle.h"

extern int panics_and_catches(void);

int main(void) {
    int initialised = rekindle_init(0);
    rekindle_shutdown();
    return initialised == 0 && panics_and_catches() == 42 ? 0 : 1;
}
