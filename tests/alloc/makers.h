/* What the files with makers share. */
#ifndef OH_TESTS_ALLOC_MAKERS_H
#define OH_TESTS_ALLOC_MAKERS_H

#include <stdbool.h>
#include <stdio.h>

#include "heap.h"

/*
 * Something that is made, used and ended. Returns false when a promise was
 * broken: a call reported success and did not do it, or failed with a code
 * that says something else than the shortage. Leaves nothing behind.
 */
struct maker {
    const char *name;
    bool (*run)(void);
    void (*prepare)(void); /* once, with a whole heap; may be NULL */
    void (*finish)(void);
};

/* Prints what was promised and is not so, and where. */
#define PROMISED(condition) \
    ((condition) ? true : (printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), false))

/* What may be reported when memory is short: OH_OK (there was another way), OH_E_NOMEM, or that
 * something else failed for it. */
#define FAIR(result) PROMISED((result) == OH_OK || (result) == OH_E_NOMEM || (result) == OH_E_IO)

/* An allocation that is failing fails no more; for looking at what was done. */
void maker_calm(void);

/* True when not one allocation fails but all from one on: then even what would tell of a failure
 * may be lost, and only what comes later counts. */
bool maker_starved(void);

/* A directory for one run below /tmp, made anew; and its removal. */
const char *maker_dir(void);
void maker_dir_remove(void);

/* The makers of makers_state.c: store, network, control socket. */
bool maker_store(void);
bool maker_backup(void);
bool maker_control(void);
bool maker_users(void);
void control_prepare(void);
void control_finish(void);
bool maker_net(void);

#endif
