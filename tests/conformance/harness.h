/*
 * Conformance: what goes in and out of the whole server, byte for byte, held
 * against the rows of docs/requirements.md. A chapter is a file with a table
 * of cases; each case names its rows, and has a world of its own (sim/world.h)
 * whose server was set up by real configuration text.
 *
 *     static void fetch(struct world *w)
 *     {
 *         struct peer *bob = peer_new(w, "192.0.2.20:5060", "bob");
 *
 *         peer_register(bob, 600);
 *         ASK(bob, .method = "REGISTER", .uri = "sip:example.test",
 *             .to = "sip:bob@example.test", .contact = "-");
 *         CHECK(w, message_values(peer_expect(bob, "200"), OH_HEADER_CONTACT) == 1);
 *     }
 *
 *     static const struct conformance_case cases[] = {
 *         CASE("REG-014", "a REGISTER without Contact lists the bindings", fetch),
         CASE("REG-004", "without credentials 401", challenge, .lua = CLOSED),
 *     };
 *
 *     CONFORMANCE_CHAPTER(registrar, cases);
 *
 * and one line for the chapter in chapters.c. tools/conformance reads
 * the rows out of the results and writes docs/conformance.md.
 *
 * Most cases run with delay-free, lossless networks: nothing waits, a "second"
 * of peer_expect is virtual. Streams: peer_connect first.
 */
#ifndef OH_TESTS_CONFORMANCE_HARNESS_H
#define OH_TESTS_CONFORMANCE_HARNESS_H

#include "sim/world.h"

/* ---- configurations ---- */

/* Where the server listens, and its domain. Every configuration begins with it. */
#define BASE                                                    \
    "listen = { 'udp:192.0.2.1:5060', 'tcp:192.0.2.1:5060' }\n" \
    "domains = { 'example.test' }\n"

/* Everybody is trusted: for what has nothing to do with passwords. */
#define OPEN BASE "no_auth = true\n"

/* Passwords are asked for: what an office has. */
#define CLOSED BASE

/* ---- cases ---- */

struct conformance_case {
    const char *rows; /* "REG-004 AUT-002": each XXX-000, a blank between */
    const char *name; /* what must hold; a sentence without colon, unique in the chapter */
    void (*run)(struct world *w);
    const char *lua; /* the configuration's text; NULL: OPEN */
    /* Sizes, seed, journal; its settings and policy are not looked at. NULL: defaults. */
    const struct world_options *options;
};

struct conformance_chapter {
    const char *name;
    const struct conformance_case *cases;
    size_t n;
};

/* An element of the table; further fields by name. */
#define CASE(rows_, name_, run_, ...)                          \
    {                                                          \
        .rows = rows_, .name = name_, .run = run_, __VA_ARGS__ \
    }

#define CONFORMANCE_CHAPTER(chapter, list)                                    \
    const struct conformance_chapter conformance_##chapter = {#chapter, list, \
                                                              sizeof(list) / sizeof((list)[0])}

/* The k-th chapter, NULL behind the last; chapters.c lists them. */
const struct conformance_chapter *conformance_chapter_at(size_t k);

/*
 * Runs one case in a world of its own. NULL when all was well, else the reason,
 * with the ladder of messages in *ladder (heap); both live until the next call.
 * At the end the world runs 200 s and must be empty (world_finish), unless the
 * case called leave_unfinished.
 */
const char *conformance_run(const struct conformance_case *c, unsigned verbose,
                            const char **ladder);

/* A case whose server runs short of memory; zero: it does not, and only counts. */
struct conformance_shortage {
    size_t at;    /* this allocation of the server fails, counted from the case's first */
    bool rest;    /* and all that follow */
    size_t made;  /* out: how many allocations there were */
    size_t ended; /* out: how many of them failed */
};

/*
 * Runs one case in a world whose server cannot have all the memory that it
 * asks for. What the case expects need not come; but no rule that holds of
 * every message (sim/invariants.h) may be broken, nothing may be left when all
 * have fallen silent, and then, with memory again, a phone can register and
 * get a message. NULL when that was so; as conformance_run.
 */
const char *conformance_run_short(const struct conformance_case *c,
                                  struct conformance_shortage *shortage, const char **ladder);

/* The case that runs leaves something behind on purpose, or has let the time pass itself. */
void leave_unfinished(struct world *w);

/* ---- the test bed of docs/requirements.md 0.1 ---- */

/*
 * Accounts alice, bob, carol, dave, noreg (never registers), admin (may
 * register for others) and barred (may not call); password_of each. gone was
 * deleted and left a tombstone. nobody does not exist.
 */
void accounts(struct world *w);

/* "NAME-secret", the password that accounts gives out; lives until the next call. */
const char *password_of(const char *user);

/* Another configuration from now on, as a reload does. */
void reload(struct world *w, const char *lua);

/* ---- asking ---- */

/* peer_request with its fields written out: ASK(alice, .method = "OPTIONS", .uri = "sip:..."). */
#define ASK(p, ...) peer_request((p), &(struct peer_request){__VA_ARGS__})

/*
 * As peer_request, but answers the challenge (401 or 407) that must come, as
 * user with its password; the next CSeq, the same Call-ID (must be said) and
 * From tag. An INVITE's challenge is acknowledged.
 */
void ask_as(struct peer *p, const char *user, const char *password,
            const struct peer_request *request);

/* ask_as with fields written out, and the password that accounts gave the user. */
#define ASK_AS(p, user, ...) \
    ask_as((p), (user), password_of(user), &(struct peer_request){__VA_ARGS__})

/* A phone that is registered: peer_new, peer_register with an hour; digest when it is asked for. */
struct peer *phone(struct world *w, const char *address, const char *user);

/* Sends a REGISTER for the user's own AOR with these Contact values and more rows (OPEN worlds);
 * Call-ID "reg-USER" plus call, CSeq as said. "-" as contact: none. */
void registers(struct peer *p, const char *user, const char *call, unsigned cseq,
               const char *contact, const char *rows);

/* What the registrar has for a user: fetches and returns the 200. */
const struct oh_msg *fetch(struct peer *p, const char *user);

/* A forwarder without care: sends a request that it got back to the server, for another user, with
 * a Via of its own on top. */
void bounce(struct peer *p, const struct oh_msg *m, const char *uri);

/* ---- looking ---- */

/* The first value of a header as text, "" when there is none; lives until 8 more calls. */
const char *value_of(const struct oh_msg *m, enum oh_header_id id);

/* The first row of this name that we have no id for (or any), "" when none; as value_of. */
const char *row_of(const struct oh_msg *m, const char *name);

/* A span as text; as value_of. */
const char *text_of(struct oh_span span);

/* True when the text contains the other. */
bool text_has(const char *text, const char *part);

/*
 * What every reply to the peer's newest request must have (requirements 0.1):
 * its Vias in order (received and rport apart), From, Call-ID and CSeq; a To
 * tag unless it is a 100, and the same one when the request had one.
 */
void check_reply(struct peer *p, const struct oh_msg *reply);

/* Expects a reply to the peer's newest request, looks at it as check_reply does, and acknowledges
 * it when it refuses an INVITE. */
const struct oh_msg *answer(struct peer *p, const char *what);

/* The newest decision (`offhook why`) has this text in its sentence or its advice. */
bool told(struct world *w, const char *part);

#endif
