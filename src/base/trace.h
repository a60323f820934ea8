/*
 * The one trace point. Free (a NULL test) when nobody listens; otherwise the
 * sink sees every message, state change and decision in order.
 */
#ifndef OH_BASE_TRACE_H
#define OH_BASE_TRACE_H

#include <offhook/addr.h>
#include <offhook/span.h>

enum oh__trace_kind {
    OH__TRACE_RX,       /* a message arrived: text = its bytes */
    OH__TRACE_TX,       /* a message left: text = its bytes */
    OH__TRACE_STATE,    /* a state machine moved: name = machine, text = new state */
    OH__TRACE_DECISION, /* something was decided: name = event of docs/events.md, text = reason for
                           people */
};

struct oh__trace_event {
    uint64_t now; /* ns, monotonic */
    enum oh__trace_kind kind;
    const char *name;    /* static; see kind */
    struct oh_span call; /* Call-ID, may be empty */
    struct oh_span who;  /* account or AOR concerned, may be empty */
    struct oh_span text;
    const struct oh_addr *peer; /* may be NULL */
    int code;                   /* status code or OH_E_*, 0 = none */
    bool stranger;              /* decisions: of somebody who has proved nothing */
};

struct oh__trace {
    void *ctx;
    void (*sink)(void *ctx, const struct oh__trace_event
                                *ev); /* everything ev points to is valid during the call only */
};

/* Hands the event to the sink, if there is one. */
static inline void oh__trace_emit(const struct oh__trace *t, const struct oh__trace_event *ev)
{
    if (t && t->sink)
        t->sink(t->ctx, ev);
}

#endif
