/*
 * Scenarios: stories with phones, drawn from a seed. A family is one entry of
 * the table in scenario.c; its story runs in a world of its own and must end
 * with scenario_end, which waits until everything is over and looks back.
 */
#ifndef OH_TESTS_SIM_SCENARIO_H
#define OH_TESTS_SIM_SCENARIO_H

#include "peer_phone.h"
#include "world.h"

struct scenario {
    const char *name;
    const char *about;
    /* Changes settings and options before the server starts; may be NULL. */
    void (*prepare)(struct oh__settings *settings, struct world_options *options);
    void (*run)(struct world *w, void *arg); /* arg is not used */
    unsigned every;                          /* of a range of seeds only each so-manieth is run */
};

/* The i-th family, NULL behind the last. */
const struct scenario *scenario_at(unsigned i);

/* A seed that found something once; see known.c. */
struct known_seed {
    const char *scenario;
    uint64_t seed;
    const char *what;
};

/* The i-th of them, NULL behind the last. */
const struct known_seed *known_seed_at(unsigned i);

/* The families, by file. */
void scenario_register_storm(struct world *w, void *arg);
void scenario_register_lossy(struct world *w, void *arg);
void scenario_journal(struct world *w, void *arg);
void scenario_calls(struct world *w, void *arg);
void scenario_calls_lossy(struct world *w, void *arg);
void scenario_calls_streams(struct world *w, void *arg);
void scenario_cancel(struct world *w, void *arg);
void scenario_cancel_lossy(struct world *w, void *arg);
void scenario_requests(struct world *w, void *arg);
void scenario_fork(struct world *w, void *arg);
void scenario_fork_serial(struct world *w, void *arg);
void scenario_both_answer(struct world *w, void *arg);
void scenario_timers(struct world *w, void *arg);
void scenario_death(struct world *w, void *arg);
void scenario_restart(struct world *w, void *arg);
void scenario_reload(struct world *w, void *arg);
void scenario_full(struct world *w, void *arg);
void scenario_memory(struct world *w, void *arg);
void scenario_flood(struct world *w, void *arg);
void scenario_hostile(struct world *w, void *arg);
void scenario_fork_late(struct world *w, void *arg);
void scenario_dialogs(struct world *w, void *arg);
void scenario_dialogs_lossy(struct world *w, void *arg);
void scenario_ipv6(struct world *w, void *arg);
void scenario_late(struct world *w, void *arg);
void scenario_corrupt(struct world *w, void *arg);
void scenario_breaks(struct world *w, void *arg);
void scenario_revival(struct world *w, void *arg);
void scenario_workers(struct world *w, void *arg);
void scenario_disk(struct world *w, void *arg);
void scenario_policy(struct world *w, void *arg);
void scenario_chaos(struct world *w, void *arg);
void scenario_loops(struct world *w, void *arg);
void scenario_watcher(struct world *w, void *arg);

#define SCENARIO_PHONES 40

struct cast {
    struct world *world;
    unsigned n;
    struct phone *phones[SCENARIO_PHONES];
    char uris[SCENARIO_PHONES][64];
    bool strict; /* nothing is lost: every request must get a final response */
};

/* n phones u0, u1 ... at 192.0.2.10 and up with accounts; none is registered yet. */
void cast_make(struct cast *cast, struct world *w, unsigned n);

/* Likewise; mixed: every other one has an IPv6 address. */
void cast_make_at(struct cast *cast, struct world *w, unsigned n, bool mixed);

/* Registers all of them, each within the first second, and waits until they are. */
void cast_register(struct cast *cast);

/* A network of ordinary quality: delays up to 40 ms, no loss; and one with loss, repeats and
 * reordering. */
void scenario_network(struct world *w);
void scenario_bad_network(struct world *w, unsigned loss);

/* Calls, and other requests, between all of the cast, begun over some seconds. */
void scenario_call_about(struct cast *cast, unsigned calls);
void scenario_ask_about(struct cast *cast, unsigned n);

/* A number from low to high, both included. */
uint32_t scenario_between(struct world *w, uint32_t low, uint32_t high);

/* When everything is well again, the server must be, too: everybody registers and reaches the next
 * one. */
void scenario_recover(struct cast *cast);

/*
 * Lets the phones come to their ends, demands that every task has one (with a
 * final response when the cast is strict), then ends the world.
 */
void scenario_end(struct cast *cast);

#endif
