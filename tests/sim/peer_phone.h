/*
 * Phones: peers that live. Each has an endpoint of the core for its
 * transactions, so the core is tested from both sides, and behaves by its
 * manner as one who is called and by a plan as one who calls. All they do is
 * remembered as tasks, which a scenario looks at in the end.
 */
#ifndef OH_TESTS_SIM_PEER_PHONE_H
#define OH_TESTS_SIM_PEER_PHONE_H

#include "world.h"

#define PHONE_TASKS 128
#define PHONE_CALLS 64

struct phone;

/* What a phone does when it is asked. */
struct phone_manner {
    bool rings;          /* says 180 */
    uint32_t ring_ms;    /* after this time */
    unsigned code;       /* final answer to an INVITE; 0 = none, ever */
    uint32_t answer_ms;  /* after this time */
    uint32_t hangup_ms;  /* sends BYE so long after the ACK; 0 = never */
    bool twice;          /* a second 2xx with another To tag follows (two answers behind one) */
    bool ignores_cancel; /* answers although it was cancelled */
    bool stutters;       /* every response goes out twice */
    uint32_t dies_ms;    /* falls silent so long after an INVITE came; 0 = never */
    unsigned other_code; /* final answer to anything else; 0 = 200 */
    uint32_t other_ms;   /* after this time */
    const char *contact; /* of a 3xx; value of the row */
    bool reliable;       /* 183 with RSeq instead of 180, for those who support it (RFC 3262) */
};

/* What a phone does when it calls. */
struct phone_plan {
    uint32_t cancel_ms; /* so long after the INVITE; 0 = never */
    uint32_t hangup_ms; /* sends BYE so long after the answer; 0 = never */
    bool no_ack;        /* never acknowledges a 2xx */
    const char *rows;   /* more rows of the INVITE */
};

/* One request of a phone and what became of it. A challenge is answered once within the task. */
struct phone_task {
    const char *method, *uri;
    const char *call;              /* Call-ID */
    bool ended;                    /* a final response, or the core gave up */
    int code;                      /* the final; below 0: OH_E_TIMEOUT and so on */
    unsigned ringing;              /* how many 101-199 came */
    unsigned answers;              /* how many different 2xx came */
    uint64_t started_at, ended_at; /* ns */

    /* The phone's own. */
    struct peer_request request;
    uint64_t client;
    unsigned tries;
    bool cancelled;
    uint64_t cancel_at;
    struct phone_plan plan;
    unsigned within; /* 1 + the call that this INVITE is sent in; 0: none */
    unsigned pracks_n;
    uint64_t pracks[8]; /* provisional responses that were acknowledged */
};

/* A phone at an address; password NULL: answers no challenge. */
struct phone *phone_new(struct world *w, const char *address, const char *user,
                        const char *password);

/* Changes its manner; a new phone rings at once, answers with 200 after 1 s and never hangs up. */
void phone_manner(struct phone *ph, const struct phone_manner *manner);

/* REGISTER with its own Contact; params of the Contact such as ";q=0.5". */
const struct phone_task *phone_register(struct phone *ph, unsigned expires, const char *params);

/* INVITE; plan NULL: lets it ring for ever and never hangs up. */
const struct phone_task *phone_call(struct phone *ph, const char *uri,
                                    const struct phone_plan *plan);

/* Any other request outside a dialog. */
const struct phone_task *phone_request(struct phone *ph, const char *method, const char *uri,
                                       const char *body);

/* Likewise without a body, with more rows. */
const struct phone_task *phone_ask(struct phone *ph, const char *method, const char *uri,
                                   const char *rows);

/* The i-th task since the beginning; NULL behind the last. */
const struct phone_task *phone_task(const struct phone *ph, unsigned i);

/* Sends a request in each call that is up (no INVITE where one is open); returns how many. */
unsigned phone_talk(struct phone *ph, const char *method, const char *rows, const char *body);

/* Sends BYE in all calls that are up. */
void phone_hang_up(struct phone *ph);

/* How many calls are up as far as this phone knows: answered, acknowledged, not ended. */
unsigned phone_talking(const struct phone *ph);

/* How many calls ring, or would: neither answered, nor refused, nor cancelled by the caller. */
unsigned phone_ringing(const struct phone *ph);

/* Loses all it knows of transactions and calls, as by a cut of power, and goes on. */
void phone_crash(struct phone *ph);

/* The peer underneath: for peer_silence, peer_connect and the ladder. */
struct peer *phone_peer(struct phone *ph);

#endif
