/*
 * SIP methods. Methods are compared with case (RFC 3261 7.1); any token is a
 * method, those that we do not know are OH_METHOD_OTHER and keep their text.
 */
#ifndef OFFHOOK_METHOD_H
#define OFFHOOK_METHOD_H

#include <offhook/span.h>

/* X(name, RFC) */
#define OH_METHODS(X)            \
    X(INVITE, "RFC 3261 13")     \
    X(ACK, "RFC 3261 13.2.2.4")  \
    X(BYE, "RFC 3261 15")        \
    X(CANCEL, "RFC 3261 9")      \
    X(REGISTER, "RFC 3261 10")   \
    X(OPTIONS, "RFC 3261 11")    \
    X(PRACK, "RFC 3262")         \
    X(SUBSCRIBE, "RFC 6665 3.1") \
    X(NOTIFY, "RFC 6665 3.2")    \
    X(PUBLISH, "RFC 3903")       \
    X(INFO, "RFC 6086")          \
    X(REFER, "RFC 3515")         \
    X(MESSAGE, "RFC 3428")       \
    X(UPDATE, "RFC 3311")

enum oh_method {
    OH_METHOD_OTHER = 0,
#define OH_METHOD_ENUM(name, rfc) OH_METHOD_##name,
    OH_METHODS(OH_METHOD_ENUM)
#undef OH_METHOD_ENUM
        OH_METHOD_COUNT
};

/* The method of a token, OH_METHOD_OTHER for one that is not in the table. */
enum oh_method oh_method_of(struct oh_span token);

/* The method's text; empty for OH_METHOD_OTHER. */
struct oh_span oh_method_text(enum oh_method m);

/* Where it is defined ("RFC 3261 13"); "" for OH_METHOD_OTHER. */
const char *oh_method_rfc(enum oh_method m);

#endif
