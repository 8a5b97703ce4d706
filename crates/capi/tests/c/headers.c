/* Both headers compile without a warning, alone and together, in C and in C++, and give way to
 * Traffic Server's own. */
#if defined(WITH_TRAFFIC_SERVER)
#include <ts/ts.h>
#endif
#if !defined(WITHOUT_REKINDLE_H)
#include "rekindle.h"
#include "rekindle.h"
#endif
#if !defined(WITHOUT_REKINDLE_TS_H)
#include "rekindle_ts.h"
#include "rekindle_ts.h"
#endif

int main(void) {
#if !defined(WITHOUT_REKINDLE_TS_H)
    TSSslSessionID id;
    id.len = 0;
    if (TSSslSessionRemove(&id) != TS_ERROR || TS_EVENT_SSL_SESSION_NEW != 2001) {
        return 1;
    }
#endif
#if !defined(WITHOUT_REKINDLE_H)
    rekindle_config config;
    config.size = 0;
    if (rekindle_init(&config) != -1 || *rekindle_last_error() == '\0') {
        return 1;
    }
    rekindle_shutdown();
#endif
    return 0;
}
