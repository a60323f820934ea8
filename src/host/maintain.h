/* The thread for what may take its time: expired bindings, syncing and compacting the journals. */
#ifndef OH_HOST_MAINTAIN_H
#define OH_HOST_MAINTAIN_H

#include <offhook/error.h>

struct oh__host;
struct oh__maintain;

/* Starts the thread. OH_OK or OH_E_NOMEM. */
int oh__maintain_start(struct oh__host *host, struct oh__maintain **out);

/* Stops and joins it. NULL is ignored. */
void oh__maintain_stop(struct oh__maintain *m);

#endif
