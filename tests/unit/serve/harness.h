/*
 * A whole shard for tests: settings, accounts made of text, a virtual clock,
 * real bytes in and real bytes out. Nothing waits and nothing is random.
 *
 *     struct harness h;
 *
 *     harness_init(&h);
 *     h.settings->expires_min = 30;
 *     harness_start(&h);
 *     harness_account(&h, "101", "secret", 0);
 *     harness_input(&h, "OPTIONS sip:example.test SIP/2.0\n" ...);
 *     assert_int_equal(harness_code(&h), 200);
 *     harness_done(&h);
 *
 * The server is 192.0.2.1:5060 (UDP and TCP) and serves example.test; requests
 * come from h.flow, a phone at 192.0.2.10:5060 on UDP.
 */
#ifndef OH_TESTS_UNIT_SERVE_HARNESS_H
#define OH_TESTS_UNIT_SERVE_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/internal.h"

#include "../alloc_fail.h"

#define HARNESS_SENDS  64
#define HARNESS_OTHERS 16
#define HARNESS_NONCES 1024

#define HARNESS_SECOND UINT64_C(1000000000)

/* One message that the shard sent. */
struct harness_send {
    struct oh_flow flow;
    bool durable;
    uint64_t ticket;
    char *bytes;
    size_t n;
};

/* A look-up that it asked for. */
struct harness_resolve {
    uint64_t ticket;
    char host[256];
};

struct harness {
    struct test_heap heap; /* of the shard and everything shared */
    struct oh__settings *settings;
    uint32_t transactions_max, completed_max; /* 64 each unless a test wants more */
    struct oh__shared shared;
    struct oh__serve *s;
    struct oh__serve_env env;
    struct oh_hasher hasher;
    struct oh_flow flow; /* where harness_input comes from */
    unsigned sends_n, resolves_n, keeps_n;
    struct harness_send sends[HARNESS_SENDS]; /* since the last harness_clear */
    struct harness_resolve resolves[HARNESS_OTHERS];
    struct oh_flow keeps[HARNESS_OTHERS];
    struct oh_msg in, last; /* scratch: the message going in; the last one sent */
};

/* Fills in the settings; change them before harness_start. */
void harness_init(struct harness *h);

/* Makes the shard and all that is shared. */
void harness_start(struct harness *h);

/* Ends it, and demands that no memory is left. */
void harness_done(struct harness *h);

/* An account of example.test with all three hashes; flags of enum oh__account_flag. */
void harness_account(struct harness *h, const char *user, const char *password, uint32_t flags);

/* As harness_account with everything said: domain "" serves all; hashes is a set of 1 << enum
 * oh_hash. */
struct harness_account {
    const char *user, *domain, *auth_name, *realm, *password;
    unsigned hashes;
    uint32_t flags;
    uint64_t gone_at;
};
void harness_account_full(struct harness *h, const struct harness_account *account);

/* An address out of text ("192.0.2.10:5060"). */
struct oh_addr harness_addr(const char *text);

/* A flow from a peer to the server; id 0 for datagrams. */
struct oh_flow harness_flow(enum oh_transport transport, const char *peer, uint64_t id);

/* Gives the shard a message from h->flow, as printf; each "\n" becomes CRLF. Sends are collected.
 * Returns oh__serve_input's result. */
int harness_input(struct harness *h, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As harness_input for bytes that are ready, on a flow. */
int harness_bytes(struct harness *h, const struct oh_flow *flow, struct oh_span bytes);

/* Moves both clocks on and runs what is due. */
void harness_advance(struct harness *h, uint64_t ns);

/* Answers a look-up. */
void harness_answer(struct harness *h, uint64_t ticket, int result, const struct oh_addr *addrs,
                    unsigned n);

/* Collects what the shard has to say; the functions above do so themselves. */
void harness_collect(struct harness *h);

/* Forgets the sends, look-ups and kept flows so far. */
void harness_clear(struct harness *h);

/* The i-th message sent, parsed and checked (as a stream, so framing counts); valid until the next
 * call. */
const struct oh_msg *harness_message(struct harness *h, unsigned i);

/* The last one; fails the test when there is none. */
const struct oh_msg *harness_last(struct harness *h);

/* The status of the last message; 0 when nothing was sent or it is a request. */
unsigned harness_code(struct harness *h);

/* The first value of a header in the last message; p == NULL when it has none. */
struct oh_span harness_value(struct harness *h, enum oh_header_id id);

/* How many rows of a header the last message has. */
unsigned harness_rows(struct harness *h, enum oh_header_id id);

/* True when the last message has this text. */
bool harness_has(struct harness *h, const char *text);

/* What a phone answers a challenge with. Zero means: what a well-behaved phone does. */
struct harness_digest {
    const char *user, *password, *method, *uri;
    const char *realm;     /* default: the challenge's */
    const char *nonce;     /* likewise */
    const char *algorithm; /* text; default: the challenge's */
    const char *body;
    uint32_t nc;        /* default 1 */
    bool auth_int;      /* qop=auth-int */
    bool no_qop;        /* as RFC 2069 has it */
    unsigned challenge; /* which of the rows, from 0 */
};

/*
 * Writes the whole row Authorization (for 401) or Proxy-Authorization (for
 * 407) that answers the last message, with "\n" behind it. Returns out.
 */
const char *harness_authorize(struct harness *h, const struct harness_digest *d, char *out,
                              size_t cap);

/* Copies the newest decision; false when there is none. */
bool harness_decision(struct harness *h, struct oh__decision *out);

#endif
