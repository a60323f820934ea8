/*
 * Headers that name another dialog: Replaces (RFC 3891 6.1), Join (RFC 3911
 * 7.1), Target-Dialog (RFC 4538 7); and Call-ID itself, as In-Reply-To lists
 * it (RFC 3261 20.21).
 */
#ifndef OFFHOOK_REPLACES_H
#define OFFHOOK_REPLACES_H

#include <offhook/params.h>

/* Decodes word [ "@" word ] that fills the span. OH_OK or OH_E_SYNTAX. fault may be NULL. */
int oh_call_id_decode(struct oh_span value, struct oh_span *out, struct oh_fault *fault);

struct oh_replaces {
    struct oh_span call_id;
    struct oh_span to_tag;   /* the receiver's own tag; "0" may stand for none (RFC 3891 3) */
    struct oh_span from_tag; /* the other side's tag */
    bool early_only;         /* Replaces only */
};

/*
 * Decodes Replaces. Both tags must be there once: OH_E_ABSENT, OH_E_DUPLICATE; OH_E_SYNTAX. fault
 * (may be NULL) is relative to value.p.
 */
int oh_replaces_decode(struct oh_span value, struct oh_replaces *out, struct oh_fault *fault);

/* As oh_replaces_decode for Join, which has no early-only. */
int oh_join_decode(struct oh_span value, struct oh_replaces *out, struct oh_fault *fault);

/* Writes Replaces or Join. */
void oh_replaces_put(struct oh_buf *out, const struct oh_replaces *r);

struct oh_target_dialog {
    struct oh_span call_id;
    struct oh_span local_tag;  /* the sender's tag */
    struct oh_span remote_tag; /* the receiver's own tag */
};

/* Decodes Target-Dialog; as oh_replaces_decode (RFC 4538 5.1: a dialog needs both tags). */
int oh_target_dialog_decode(struct oh_span value, struct oh_target_dialog *out,
                            struct oh_fault *fault);

/* Writes the Call-ID and both tags as Target-Dialog. */
void oh_target_dialog_put(struct oh_buf *out, const struct oh_target_dialog *t);

#endif
