/* Event, Allow-Events (RFC 6665 8.4, 8.2.2) and Subscription-State (RFC 6665 8.2.3). */
#ifndef OFFHOOK_EVENT_H
#define OFFHOOK_EVENT_H

#include <offhook/token.h>

struct oh_event {
    struct oh_span type;   /* package and templates: "presence.winfo" */
    struct oh_span id;     /* p == NULL when absent */
    struct oh_span params; /* all of them, from the first ";" */
};

/* Decodes Event, or one value of Allow-Events. OH_OK, OH_E_SYNTAX, OH_E_DUPLICATE. */
int oh_event_decode(struct oh_span value, struct oh_event *out, struct oh_fault *fault);

/*
 * Whether two events name the same subscription of a dialog: type and id byte by byte, an absent id
 * only equals an absent one (RFC 6665 8.2.1). Other parameters do not count.
 */
bool oh_event_equal(const struct oh_event *a, const struct oh_event *b);

/* Writes the type and the parameters; the id is written when the parameters are empty. */
void oh_event_put(struct oh_buf *out, const struct oh_event *e);

enum oh_sub_state {
    OH_SUB_OTHER = 0, /* an extension: to be treated as active (RFC 6665 4.1.3) */
    OH_SUB_ACTIVE,
    OH_SUB_PENDING,
    OH_SUB_TERMINATED,
};

struct oh_subscription_state {
    uint8_t state;         /* enum oh_sub_state */
    struct oh_span text;   /* the state as received; used to write OH_SUB_OTHER */
    struct oh_span reason; /* "deactivated", "timeout" ...; p == NULL when absent */
    bool has_expires;
    bool has_retry_after;
    uint32_t expires;     /* seconds left */
    uint32_t retry_after; /* seconds to wait before subscribing again */
};

/* Decodes Subscription-State. OH_OK, OH_E_SYNTAX, OH_E_DUPLICATE. */
int oh_subscription_state_decode(struct oh_span value, struct oh_subscription_state *out,
                                 struct oh_fault *fault);

/* Writes the state and the members that are there. */
void oh_subscription_state_put(struct oh_buf *out, const struct oh_subscription_state *s);

#endif
