/* The parts of the harness for the server's door. */
#ifndef OH_TESTS_FUZZ_SERVE_PARTS_H
#define OH_TESTS_FUZZ_SERVE_PARTS_H

#include "fuzz.h"
#include "sim/parts.h"

#define PEERS 5

/* An act: kind, peer, number (16 bits), length of its text (16 bits), text. */
#define ACT_HEAD 6

enum act_kind {
    ACT_BYTES,   /* the text as it is, on the peer's stream or as a datagram */
    ACT_TIME,    /* one of 16 pauses, from 1 ms to more than an hour */
    ACT_REQUEST, /* a request of the usual form: method, URI and odd rows of one's own */
    ACT_REPLY,   /* an answer to the newest request that the peer got */
    ACT_FOLLOW,  /* ACK, CANCEL, credentials, a repetition, a request in the dialog */
    ACT_STREAM,  /* connects, or ends the stream */
    ACT_TROUBLE, /* restart, drain, faults of journal, network and heap */
    ACT_KINDS
};

struct stage {
    struct oh__settings settings;
    struct world *world;
    struct peer *peers[PEERS];
    struct fuzz_bytes script;
};

/* A policy whose verdict is chosen by the length of the Call-ID, which the input can choose. */
extern const struct oh__policy stage_policy;

/* Lets a peer send a request; `number` chooses method, Request-URI and Contact. */
void stage_request(struct stage *s, struct peer *p, uint16_t number, struct oh_span rows);

/* Lets a peer answer its newest request with a status out of `number`. */
void stage_reply(struct stage *s, struct peer *p, uint16_t number, struct oh_span rows);

/* Lets a peer do what follows on its newest request; `number` chooses. */
void stage_follow(struct stage *s, struct peer *p, uint16_t number, struct oh_span rows);

/* Calls `each` for the messages of the corpora. */
void stage_corpus(void (*each)(void *ctx, const char *name, struct oh_span bytes), void *ctx);

/* The harness's mutate: takes acts out, repeats them, or changes one's message. */
size_t stage_mutate(char *p, size_t n, size_t cap, uint64_t random);

#endif
