/*
 * The one trace point. Free (a test of one word) when nobody listens; otherwise
 * the sink sees the messages, state changes and decisions that it asked for, in
 * order.
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
    unsigned kinds; /* which events the sink is for: a bit 1 << kind each */
    void (*sink)(void *ctx, const struct oh__trace_event
                                *ev); /* everything ev points to is valid during the call only */
};

/* True when somebody listens to events of this kind; else nobody needs to put one together. */
static inline bool oh__trace_wants(const struct oh__trace *t, enum oh__trace_kind kind)
{
    return t && t->kinds >> kind & 1;
}

/* Hands the event to the sink, if it is for events of its kind. */
static inline void oh__trace_emit(const struct oh__trace *t, const struct oh__trace_event *ev)
{
    if (oh__trace_wants(t, ev->kind))
        t->sink(t->ctx, ev);
}

#endif
