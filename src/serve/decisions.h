/*
 * The bounded ring of decisions: for every request that was refused, failed or
 * served, one plain sentence why, so that `offhook why` and `offhook phones`
 * can tell what happened and what to do. Strangers have a ring of their own,
 * which reads as one with the other. Process-wide; one short lock.
 */
#ifndef OH_SERVE_DECISIONS_H
#define OH_SERVE_DECISIONS_H

#include <offhook/alloc.h>
#include <offhook/error.h>
#include <offhook/flow.h>

struct oh__decisions;

/* X(name, text): what happened, for filters and for the stable event names of docs/events.md. */
#define OH__DECISIONS(X)                    \
    X(REGISTERED, "registered")             \
    X(UNREGISTERED, "unregistered")         \
    X(REGISTER_REFUSED, "register-refused") \
    X(AUTH_FAILED, "auth-failed")           \
    X(CALL_STARTED, "call-started")         \
    X(CALL_ANSWERED, "call-answered")       \
    X(CALL_FAILED, "call-failed")           \
    X(CALL_CANCELLED, "call-cancelled")     \
    X(CALL_ENDED, "call-ended")             \
    X(REQUEST_REFUSED, "request-refused")   \
    X(REQUEST_FAILED, "request-failed")     \
    X(MESSAGE_BAD, "message-bad")           \
    X(BANNED, "source-banned")

enum oh__decision_kind {
#define OH__DECISION_ENUM(name, text) OH__DECISION_##name,
    OH__DECISIONS(OH__DECISION_ENUM)
#undef OH__DECISION_ENUM
        OH__DECISION_COUNT
};

/*
 * X(name, bytes): the texts of a decision, and how much of them is kept, with a terminator; longer
 * ones are cut at a character's start.
 *
 *   account   who sent it: authenticated AOR, else the From or the name that was tried
 *   target    who was wanted: Request-URI's user@host, or the AOR registered
 *   agent     User-Agent
 *   why       what happened, one sentence
 *   fix       what to do about it, one sentence; may be empty
 */
#define OH__DECISION_TEXTS(X) \
    X(method, 16)             \
    X(call_id, 128)           \
    X(account, 128)           \
    X(target, 128)            \
    X(agent, 64)              \
    X(why, 256)               \
    X(fix, 256)

/* X(type, name): the rest of it, the same in all forms.
 *
 *   seq       1, 2, 3 ...; given by the ring
 *   wall      ms
 *   kind      enum oh__decision_kind
 *   stranger  whoever sent it has proved nothing
 *   code      status sent or received; 0 = none
 *   flow      of the request
 */
#define OH__DECISION_HEAD(X) \
    X(uint64_t, seq)         \
    X(uint64_t, wall)        \
    X(uint8_t, kind)         \
    X(bool, stranger)        \
    X(uint16_t, code)        \
    X(struct oh_flow, flow)

#define OH__DECISION_MEMBER(type, name) type name;
#define OH__DECISION_SPAN(name, bytes)  struct oh_span name;
#define OH__DECISION_FIELD(name, bytes) char name[bytes];

/* A decision as it is made: its texts lie somewhere. */
struct oh__decided {
    OH__DECISION_HEAD(OH__DECISION_MEMBER)
    OH__DECISION_TEXTS(OH__DECISION_SPAN)
};

/* A decision as it is read. */
struct oh__decision {
    OH__DECISION_HEAD(OH__DECISION_MEMBER)
    OH__DECISION_TEXTS(OH__DECISION_FIELD)
};

/* Makes a ring of n entries, and one for strangers of a quarter as many. NULL on failure. */
struct oh__decisions *oh__decisions_new(const struct oh_alloc *alloc, uint32_t n);

/* Ends it. NULL is ignored. */
void oh__decisions_free(struct oh__decisions *d);

/* Adds one. Control bytes in texts become '?' (they end on a terminal or in a log). */
void oh__decisions_add(struct oh__decisions *d, const struct oh__decided *decided);

/* Copies the newest entry with seq < before (0 = newest of all). OH_OK or OH_E_ABSENT. */
int oh__decisions_before(struct oh__decisions *d, uint64_t before, struct oh__decision *out);

/* The stable name of a kind ("auth-failed"). */
const char *oh__decision_name(enum oh__decision_kind kind);

#endif
