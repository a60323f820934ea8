/* What uri.c and uri_equal.c share. */
#ifndef OH_SIP_URI_H
#define OH_SIP_URI_H

#include <offhook/params.h>
#include <offhook/uri.h>

/*
 * oh_uri_parse without the copy: on success *rest is empty and NULL is returned;
 * otherwise the reason, with *rest at the byte concerned and *u half filled.
 */
const char *oh__uri_decode(struct oh_span *rest, struct oh_uri *u);

/* True for what people put between the digits of a number (RFC 3966 5.1.1). */
static inline bool oh__tel_separator(char c)
{
    return c == '-' || c == '.' || c == '(' || c == ')';
}

/* Takes the next name[=value] off the parameters of a parsed URI; false at the end. value.p == NULL
 * for a flag. */
bool oh__uri_param_next(struct oh_span *rest, struct oh_param *out);

/* A parameter as it stands in the URI, "name" or "name=value". */
static inline struct oh_span oh__uri_param_text(const struct oh_param *p)
{
    const char *end = p->value.p ? p->value.p + p->value.n : p->name.p + p->name.n;

    return oh_span(p->name.p, (size_t)(end - p->name.p));
}

/* Equality after decoding escapes once; fold: without regard to ASCII case. */
bool oh__uri_text_equal(struct oh_span a, struct oh_span b, bool fold);

#endif
