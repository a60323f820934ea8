/*
 * Phones round the shard of harness.h: each is a flow. They register, call and
 * answer with real bytes; what the server sends to them is found by phone.
 */
#ifndef OH_TESTS_UNIT_SERVE_PROXY_HARNESS_H
#define OH_TESTS_UNIT_SERVE_PROXY_HARNESS_H

#include "harness.h"

#define PHONES 8

/* Phone i is 192.0.2.(10 + i):5060; 0 is who calls. */
struct phones {
    struct harness h;
    struct oh_flow flow[PHONES];
    unsigned cseq;
};

/* A started shard that trusts everybody; phones are on UDP. */
void phones_init(struct phones *p);

/* The same in two steps, for tests that change the settings in between. */
void phones_prepare(struct phones *p);
void phones_start(struct phones *p);

/* Ends all; demands that nothing is left. */
void phones_done(struct phones *p);

/* Makes phone i one on TCP, with this connection id. */
void phones_tcp(struct phones *p, unsigned i, uint64_t id);

/* Phone i registers as user with a Contact of its own address; params such as ";q=0.5", or "". The
 * reply is forgotten. */
void phone_register(struct phones *p, unsigned i, const char *user, const char *params);

/* As phone_register, with the whole Contact value and more rows. */
void phone_register_as(struct phones *p, unsigned i, const char *user, const char *contact,
                       const char *rows);

/* Bytes from phone i, as harness_input. */
void phone_send(struct phones *p, unsigned i, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Phone 0 calls user@example.test: Via branch "z9hG4bK" + call, Call-ID call, From tag "a",
 * SDP-less, with more rows ("" or "Name: value\n"...).
 */
void phone_invite(struct phones *p, const char *call, const char *user, const char *rows);

/* Any request of phone 0, likewise. */
void phone_request(struct phones *p, const char *method, const char *call, const char *uri,
                   const char *rows);

/* Phone 0 cancels that call. */
void phone_cancel(struct phones *p, const char *call, const char *uri, const char *rows);

/* Phone 0 acknowledges a refusal of that call. */
void phone_ack(struct phones *p, const char *call, const char *uri);

/* Index of the newest message sent to phone i that is a request of this method, or a response of
 * this status; -1: none. */
int phone_request_at(struct phones *p, unsigned i, const char *method);
int phone_status_at(struct phones *p, unsigned i, unsigned status);

/* How many messages of that kind went to phone i; a request that is only repeated counts once. */
unsigned phone_requests(struct phones *p, unsigned i, const char *method);
unsigned phone_statuses(struct phones *p, unsigned i, unsigned status);

/* The newest message to phone i of that kind, parsed; fails the test when there is none. */
const struct oh_msg *phone_got(struct phones *p, unsigned i, const char *method);
const struct oh_msg *phone_got_status(struct phones *p, unsigned i, unsigned status);

/* Phone i answers the newest request of a method that it got: status, To tag "t<i>", more rows. */
void phone_reply(struct phones *p, unsigned i, const char *method, unsigned status,
                 const char *rows);

/* True when the message has this text somewhere. */
bool message_has(const struct oh_msg *m, const char *text);

/* The i-th value of a list header, or an empty span. */
struct oh_span message_value(const struct oh_msg *m, enum oh_header_id id, unsigned i);

/* A header's values as Route rows in their order, or backwards: the route set of a callee or a
 * caller. Text ends with "\n". */
const char *routes_of(const struct oh_msg *m, bool backwards, char *out, size_t cap);

/* Compares a span with text. */
#define assert_span(span, text) assert_span_(span, text, __FILE__, __LINE__)
void assert_span_(struct oh_span span, const char *text, const char *file, int line);

#endif
