/*
 * What grows with what strangers send, what multiplies it, and what waits:
 * tables without bound, forks of forks, name servers that never answer,
 * objects that end while something still points at them.
 */
#include <stdio.h>
#include <string.h>

#include "sim/parts.h"
#include "wounds.h"

/* Bytes that a crowd may leave behind, whatever its size: the caches of four shards. */
#define KEPT 3000000

/* ---- tables ---- */

/* One message of a source that never came before, about a call that nobody knows. */
static void stranger_asks(struct victims *v, unsigned i, const char *method)
{
    char call[32], via[96], user[32];

    snprintf(call, sizeof call, "crowd-%u", i);
    snprintf(user, sizeof user, "sip:u%u@example.test", i);
    snprintf(via, sizeof via, "SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKcrowd%u;rport", i);
    peer_request(
        v->mallory,
        &(struct peer_request){
            .method = method, .uri = user, .from = user, .to = user, .call = call, .via = via});
}

static void crowds_leave_nothing(struct world *w)
{
    static const char *const methods[] = {"INVITE",  "REGISTER", "OPTIONS",
                                          "MESSAGE", "CANCEL",   "BYE"};
    struct victims v;
    size_t before, height = 0;

    accounts(w);
    victims_make(w, &v);
    before = server_bytes(w);
    for (unsigned i = 0; i < 12000; i++) {
        stranger_asks(&v, i, methods[i % 6]);
        if (i % 100 == 0) {
            world_run(w, 5);
            peer_forget(v.mallory);
            height = server_bytes(w) > height ? server_bytes(w) : height;
        }
    }
    world_run(w, 1000);
    CHECK_SAY(w, height < before + KEPT, "%zu bytes at the height of the crowd", height - before);
    world_run(w, 300000);
    CHECK_SAY(w, server_bytes(w) < before + KEPT / 10, "%zu bytes are kept of the crowd",
              server_bytes(w) - before);
}

/* Bindings have a bound of their own per user, and one for all. */
static void bindings_are_bounded(struct world *w)
{
    struct victims v;
    char contact[96], call[32];
    unsigned refused = 0;

    victims_make(w, &v);
    for (unsigned i = 0; i < 60; i++) {
        snprintf(contact, sizeof contact, "<sip:m@192.0.2.66:%u>;expires=600", 6000 + i);
        snprintf(call, sizeof call, "-%u", i);
        registers(v.mallory, "m", call, 1, contact, "");
        world_settle(w);
        refused += peer_last(v.mallory, "") && peer_last(v.mallory, "")->status >= 400;
        peer_forget(v.mallory);
    }
    CHECK_SAY(w, server_bindings(w, "m@example.test") <= 32 && refused > 0,
              "%u bindings of one user, %u refused", server_bindings(w, "m@example.test"), refused);
    still_serves(w, &v);
}

/* ---- forks ---- */

#define TEN 10

/* Ten Contacts of a user, all of them the forwarder's. */
static void ten_phones(struct world *w, struct peer *forwarder, const char *user)
{
    char contact[128], call[32];

    for (unsigned i = 0; i < TEN; i++) {
        snprintf(call, sizeof call, "-%s-%u", user, i);
        snprintf(contact, sizeof contact, "<sip:p%u@%s>", i, peer_address(forwarder));
        registers(forwarder, user, call, 1, contact, "");
        peer_expect(forwarder, "200");
    }
    CHECK(w, server_bindings(w, "ping@example.test") <= TEN);
}

/*
 * Two users with ten phones each, which send all that they get back to the
 * server for the other user (RFC 5393 3): unbounded, one call becomes ten to
 * the 35th.
 */
static void forks_of_forks(struct world *w)
{
    struct peer *ping, *pong;
    struct victims v;
    unsigned all = 0, before, sent[2] = {0};

    victims_make(w, &v);
    ping = peer_new(w, "192.0.2.71:5060", "ping");
    pong = peer_new(w, "192.0.2.72:5060", "pong");
    ten_phones(w, ping, "ping");
    ten_phones(w, pong, "pong");
    ASK(v.alice, .method = "INVITE", .uri = "sip:ping@example.test");
    do {
        struct peer *at[] = {ping, pong};

        before = all;
        world_settle(w);
        for (unsigned i = 0; i < 2; i++)
            for (unsigned n = peer_count(at[i], "INVITE"); sent[i] < n; sent[i]++, all++)
                bounce(at[i], peer_expect(at[i], "INVITE"),
                       i ? "sip:ping@example.test" : "sip:pong@example.test");
        CHECK_SAY(w, all < 500, "one INVITE became more than %u", all);
    } while (all != before);
    CHECK_SAY(w, all >= TEN, "only %u requests went round", all);
    /* The rest is Timer C's, and of those who bounced. */
    world_run(w, 300000);
    still_serves(w, &v);
}

/* ---- what waits ---- */

/* A name that is never resolved keeps its own call waiting, and nobody else's, not a millisecond.
 */
static void black_hole(struct world *w)
{
    struct victims v;
    uint64_t begin;

    victims_make(w, &v);
    network_name(w, "hole.example", NULL);
    registers(v.mallory, "m", "", 1, "<sip:m@hole.example>", "");
    peer_expect(v.mallory, "200");
    for (unsigned i = 0; i < 50; i++) {
        ASK(v.mallory, .method = i % 2 ? "INVITE" : "MESSAGE", .uri = "sip:m@example.test");
        begin = world_now(w);
        still_serves(w, &v);
        CHECK_SAY(w, world_now(w) == begin, "others waited %llu ns",
                  (unsigned long long)(world_now(w) - begin));
    }
    world_run(w, 300000);
    CHECK_SAY(w, peer_count(v.mallory, "5xx INVITE") + peer_count(v.mallory, "4xx INVITE") >= 25,
              "%u calls to nowhere have an end", peer_count(v.mallory, "5xx INVITE"));
}

/* ---- what ends while something points at it ---- */

enum step { ANSWERS, REFUSES, CANCELS, FORGETS, DISCONNECTS, RELOADS, STEPS };

static struct oh__settings changed;

static void take_step(struct victims *v, const struct oh_msg *invite, enum step step)
{
    struct world *w = peer_world(v->alice);

    switch (step) {
    case ANSWERS: peer_reply(v->bob, invite, 200, ""); break;
    case REFUSES: peer_reply(v->bob, invite, 486, ""); break;
    case CANCELS: peer_cancel(v->alice, ""); break;
    case FORGETS: world_run(w, 200000); break;
    case DISCONNECTS:
        if (peer_connected(v->bob))
            peer_disconnect(v->bob);
        break;
    case RELOADS:
        /* The host frees the old settings: whoever kept a pointer to them reads this. */
        memset(&changed, 0xee, sizeof changed);
        world_settings_default(&changed);
        changed.record_route = !changed.record_route;
        server_reload(w, &changed);
        break;
    case STEPS: break;
    }
}

/* Every order of three of these while a call rings; each time what is late finds nothing. */
static void every_order(struct world *w, unsigned first)
{
    struct victims v;

    victims_make(w, &v);
    w->streams_die = true;
    for (unsigned k = 0; k < STEPS * STEPS; k++) {
        const struct oh_msg *m;

        if (k % 2)
            peer_connect(v.bob);
        peer_register(v.bob, 3600);
        ASK(v.alice, .method = "INVITE", .uri = "sip:bob@example.test");
        m = peer_expect(v.bob, "INVITE");
        peer_reply(v.bob, m, 180, "");
        take_step(&v, m, (enum step)first);
        take_step(&v, m, (enum step)(k / STEPS));
        take_step(&v, m, (enum step)(k % STEPS));
        if (peer_connected(v.bob))
            peer_disconnect(v.bob);
        world_run(w, 300000);
        CHECK_SAY(w, server_idle(w), "something is left of a call after %u, %u, %u", first,
                  k / STEPS, k % STEPS);
        peer_forget(v.bob);
        peer_forget(v.alice);
    }
}

#define ORDER(name, step)             \
    static void name(struct world *w) \
    {                                 \
        every_order(w, step);         \
    }

ORDER(answered_first, ANSWERS)
ORDER(refused_first, REFUSES)
ORDER(cancelled_first, CANCELS)
ORDER(forgotten_first, FORGETS)
ORDER(disconnected_first, DISCONNECTS)

static const struct conformance_case cases[] = {
    CASE("bounds", "crowds leave nothing behind", crowds_leave_nothing,
         .lua = CLOSED "abuse = { failures = 0 }\n"),
    CASE("bounds", "bindings of one user", bindings_are_bounded),
    CASE("forks", "forks of forks end soon", forks_of_forks),
    CASE("blocking", "a name server that never answers", black_hole),
    CASE("lifetimes", "a call that is answered, and then anything", answered_first),
    CASE("lifetimes", "a call that is refused, and then anything", refused_first),
    CASE("lifetimes", "a call that is cancelled, and then anything", cancelled_first),
    CASE("lifetimes", "a call that nobody ends, and then anything", forgotten_first),
    CASE("lifetimes", "a call whose stream ends, and then anything", disconnected_first),
};

CONFORMANCE_CHAPTER(limits, cases);
