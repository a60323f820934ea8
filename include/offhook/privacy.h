/* Privacy (RFC 3323 4.2, "id" of RFC 3325 9.3, "history" of RFC 7044 7.2). */
#ifndef OFFHOOK_PRIVACY_H
#define OFFHOOK_PRIVACY_H

#include <offhook/buf.h>
#include <offhook/error.h>

/* X(name, bit, text) */
#define OH_PRIVACIES(X)             \
    X(HEADER, 1 << 0, "header")     \
    X(SESSION, 1 << 1, "session")   \
    X(USER, 1 << 2, "user")         \
    X(NONE, 1 << 3, "none")         \
    X(CRITICAL, 1 << 4, "critical") \
    X(ID, 1 << 5, "id")             \
    X(HISTORY, 1 << 6, "history")

enum oh_privacy {
#define OH_PRIVACY_ENUM(name, bit, text) OH_PRIVACY_##name = (bit),
    OH_PRIVACIES(OH_PRIVACY_ENUM)
#undef OH_PRIVACY_ENUM
        OH_PRIVACY_OTHER = 1 << 7, /* a value that this program does not know was among them */
};

/*
 * Decodes a row: values divided by ";" (RFC 3323 4.2) or, as some phones send, by ",". *set gets
 * the bits of enum oh_privacy. OH_OK or OH_E_SYNTAX; fault may be NULL.
 */
int oh_privacy_decode(struct oh_span value, unsigned *set, struct oh_fault *fault);

/* Writes the known values of a set, divided by ";". */
void oh_privacy_put(struct oh_buf *out, unsigned set);

#endif
