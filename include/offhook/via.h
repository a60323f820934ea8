/* Via (RFC 3261 20.42, RFC 3581, RFC 5118 for "received" with brackets). */
#ifndef OFFHOOK_VIA_H
#define OFFHOOK_VIA_H

#include <offhook/flow.h>
#include <offhook/params.h>

struct oh_via {
    struct oh_span text;           /* the whole value */
    struct oh_span transport_text; /* "UDP" */
    uint8_t transport;             /* enum oh_transport, OTHER when unknown */
    struct oh_span host;           /* sent-by host as received, IPv6 with brackets */
    uint16_t port;                 /* 0 = absent */
    struct oh_addr addr;           /* of host; family NONE for a name */
    struct oh_span params;         /* from the first ";" */
    struct oh_span branch;         /* empty when absent */
    struct oh_span received;       /* empty when absent */
    struct oh_span maddr;          /* empty when absent */
    bool has_rport;
    uint16_t rport;    /* 0 when the flag has no value */
    uint32_t rport_at; /* offset behind "rport" relative to text.p, to insert "=value" there */
    bool cookie;       /* branch starts with z9hG4bK and has more behind it */
};

/*
 * Decodes one Via value that fills the span. A parameter twice is OH_E_DUPLICATE. fault->at
 * relative to text.p.
 */
int oh_via_decode(struct oh_span text, struct oh_via *out, struct oh_fault *fault);

#endif
