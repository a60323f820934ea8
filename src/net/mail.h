/*
 * Letters between workers. Any thread posts, the owner takes all of them at
 * once: two byte arrays change places, so nothing is allocated per letter once
 * both have grown, and the lock is held for one copy.
 */
#ifndef OH_NET_MAIL_H
#define OH_NET_MAIL_H

#include <pthread.h>

#include <offhook/error.h>
#include <offhook/flow.h>

enum oh__letter_kind {
    OH__LETTER_SEND,        /* send `bytes` on your connection, or open it: flow, ticket, from */
    OH__LETTER_FAILED,      /* a send that you asked for failed: flow, ticket, result */
    OH__LETTER_KEEP,        /* no idle time-out for your connection: flow */
    OH__LETTER_LOSE,        /* the idle time-out holds again: flow */
    OH__LETTER_UNREACHABLE, /* an ICMP error came to the sender's socket, perhaps about a datagram
                               of yours: flow, mark */
};

struct oh__letter {
    enum oh__letter_kind kind;
    int result;
    unsigned from; /* worker */
    uint32_t n;    /* bytes that follow */
    uint64_t ticket;
    uint64_t mark; /* see udp.c */
    struct oh_flow flow;
};

/* A growing array of bytes. */
struct oh__bag {
    char *p;
    size_t n, cap;
};

struct oh__mailbox {
    pthread_mutex_t lock;
    struct oh__bag bag;
    bool open;  /* somebody reads it */
    bool woken; /* oh__net_wake was called */
    bool rung;  /* the eventfd has been written since the last take */
    int eventfd;
};

/* Makes a closed, empty mailbox. OH_OK or OH_E_IO. */
int oh__mail_init(struct oh__mailbox *m);

/* Ends a mailbox that oh__mail_init made. */
void oh__mail_done(struct oh__mailbox *m);

/* A worker begins (true) or ends (false) to read it; letters that nobody will read are dropped. */
void oh__mail_open(struct oh__mailbox *m, bool open);

/*
 * Puts a letter in; letter->n is ignored. OH_OK, OH_E_STATE (nobody reads), OH_E_FULL (more waits
 * than a letter of this kind may be put behind: 32 MiB for OH__LETTER_SEND, 256 KiB for
 * OH__LETTER_UNREACHABLE), OH_E_NOMEM.
 */
int oh__mail_post(struct oh__mailbox *m, const struct oh__letter *letter, struct oh_span bytes);

/* Wakes the reader without a letter. */
void oh__mail_wake(struct oh__mailbox *m);

/* Swaps the letters with an empty bag (whose memory serves the next ones) and tells whether the
 * reader was woken. */
bool oh__mail_take(struct oh__mailbox *m, struct oh__bag *bag);

/* The next letter of a bag; *at starts with 0. False at the end. */
bool oh__bag_next(const struct oh__bag *bag, size_t *at, struct oh__letter *letter,
                  struct oh_span *bytes);

/* Gives a bag's memory back. */
void oh__bag_done(struct oh__bag *bag);

#endif
