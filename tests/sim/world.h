/*
 * A world for the whole server: a virtual clock, a virtual network that loses,
 * repeats, delays and reorders by seed, the server's shards with everything
 * that they share, and peers round it. Nothing waits, nothing is random: a
 * seed replays to the byte. The simulator and the conformance tests stand on it.
 *
 *     static void rings(struct world *w, void *arg)
 *     {
 *         struct peer *alice = peer_new(w, "192.0.2.10:5060", "alice");
 *         struct peer *bob = peer_new(w, "192.0.2.11:5060", "bob");
 *         const struct oh_msg *m;
 *
 *         peer_register(bob, 3600);
 *         peer_request(alice, &(struct peer_request){.method = "INVITE",
 *                                                    .uri = "sip:bob@example.test"});
 *         m = peer_expect(bob, "INVITE");
 *         peer_reply(bob, m, 180, "");
 *         peer_expect(alice, "180 INVITE");
 *         peer_reply(bob, m, 486, "");
 *         m = peer_expect(alice, "486");
 *         CHECK(w, message_rows(m, OH_HEADER_VIA) == 1);
 *         peer_ack(alice, m);
 *         peer_none(alice, "486", 40000);
 *     }
 *     ...
 *     struct world_options o = {.seed = 1};
 *     struct world *w = world_new(&o);
 *     const char *why = world_try(w, rings, NULL);  // NULL, or what went wrong
 *
 *     if (why)
 *         printf("%s\n%s", why, world_ladder(w));
 *     world_free(w);
 *
 * world.h: clock, failure, ladder. server.h: settings, accounts, restart,
 * reload, journal. network.h: what the network does to messages. peer.h: peers
 * that send what they are told and keep what they get; peer_phone.h: phones that
 * behave by themselves.
 *
 * Every message that the server sends is checked (invariants.h) and
 * oh__serve_check runs after every step. Both end the case through world_fail.
 */
#ifndef OH_TESTS_SIM_WORLD_H
#define OH_TESTS_SIM_WORLD_H

#include "serve/internal.h"

struct world;

#define WORLD_SERVER  "192.0.2.1:5060"     /* UDP and TCP, unless settings say otherwise */
#define WORLD_SERVER6 "[2001:db8::1]:5060" /* of those who have added listeners for it */
#define WORLD_DOMAIN  "example.test"

/* Zero means default. */
struct world_options {
    uint64_t seed;
    /* Not copied: must live until world_free. NULL: as world_settings_default fills it in. */
    const struct oh__settings *settings;
    const struct oh__policy *policy; /* NULL: none */
    const struct oh_hasher *hasher;  /* NULL: a keyed stand-in for MD5 and SHA, same everywhere */
    unsigned shards;                 /* 1 .. 64; 4 */
    /* Per shard; 4,096 and 16,384. */
    uint32_t transactions_max, completed_max;
    uint32_t nonces_max;     /* 1,024 */
    unsigned workers;        /* that share the shards; 1 */
    unsigned expire_at_once; /* timers that run in one visit to a shard; 512 */
    bool journal;            /* bindings are journalled and survive server_restart */
    bool disk;               /* likewise, by the real store in a directory of its own */
    bool quiet;              /* no ladder: nobody will look at it */
    unsigned verbose;        /* 1: the ladder goes to stderr as it grows; 2: whole messages too */
};

/*
 * The settings of tests: listeners WORLD_SERVER on UDP (0) and TCP (1), domain WORLD_DOMAIN,
 * everybody trusted (no_auth), the rest as oh__settings_default. Change what you need.
 */
void world_settings_default(struct oh__settings *settings);

/* Makes a world with its server running. Never NULL: the program stops when the heap is empty. */
struct world *world_new(const struct world_options *options);

/* Ends the world with all its peers. */
void world_free(struct world *w);

/*
 * Runs a case. Returns NULL, or the sentence of the first world_fail, which
 * leaves the case at once by longjmp; it lives until world_free. At the end of
 * a case that did not fail the world does not go on by itself; see world_finish.
 */
const char *world_try(struct world *w, void (*run)(struct world *w, void *arg), void *arg);

/* Ends the case that runs as failed; as printf. Does not return. */
_Noreturn void world_fail(struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Fails the case with the text of the condition and where it stands. */
#define CHECK(w, condition) \
    ((condition) ? (void)0 : world_fail((w), "%s:%d: not so: %s", __FILE__, __LINE__, #condition))

/* As CHECK, with a reason of the caller's: CHECK_SAY(w, n == 1, "%u copies arrived", n). */
#define CHECK_SAY(w, condition, ...) ((condition) ? (void)0 : world_fail((w), __VA_ARGS__))

/* ---- time ---- */

/* Lets this much virtual time pass (ms): all that is due in it happens, in order. */
void world_run(struct world *w, uint64_t ms);

/* Runs until nothing is on its way at this moment of time (no time passes on a lossless network
 * without delay). */
void world_settle(struct world *w);

/*
 * Peers are told to stop (phones hang up nothing, they fall silent); then 300 s pass, or Timer C
 * and 100 s when that is longer; and nothing may be left: no context, no transaction in flight or
 * completed, no timer, no message on its way. Bindings may remain. What invariants.h says of the
 * end is checked, too.
 */
void world_finish(struct world *w);

/* ns since the world's clock began, monotonic; and ms since 1970. */
uint64_t world_now(const struct world *w);
uint64_t world_wall(const struct world *w);

/* A random number below n (n > 0) out of the seed. */
uint64_t world_random(struct world *w, uint64_t n);

/* True in `percent` of 100 calls. */
bool world_chance(struct world *w, unsigned percent);

/* Transactions of the server so far (model.h), and a hash of all messages with their times. */
uint64_t world_transactions(const struct world *w);
uint64_t world_trace(const struct world *w);

/* How many branches of the server were without a final response at once, at most. */
unsigned world_branches_peak(const struct world *w);

/* ---- ladder ---- */

/*
 * What happened so far, for people: one line per message (time, from, to,
 * start line, CSeq, what the network did to it) and per note. Lives until the
 * next call into the world.
 */
const char *world_ladder(const struct world *w);

/* Adds a line of one's own; as printf. */
void world_note(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

#include "network.h"
#include "peer.h"
#include "server.h"

#endif
