/*
 * A running server: workers round shards, the store, the control socket, the
 * signals. One call starts it, serves until it is told to stop, and cleans up.
 */
#ifndef OH_HOST_HOST_H
#define OH_HOST_HOST_H

#include "host/config.h"

struct oh__host_options {
    const char *file; /* configuration; NULL = embedded defaults */
    struct oh__config_overrides overrides;
    bool no_auth_anywhere; /* --no-auth=anywhere: listeners off loopback are allowed without
                              authentication */
};

/*
 * Serves until SIGTERM, SIGINT or `offhook stop`. Problems are printed on stderr in words that say
 * what to do. Returns the process's exit status: 0, 5 (address in use or no permission), 9
 * (configuration or state refused).
 */
int oh__host_run(const struct oh__host_options *options);

#endif
