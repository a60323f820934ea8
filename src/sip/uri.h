/* What uri.c and uri_equal.c share. */
#ifndef OH_SIP_URI_H
#define OH_SIP_URI_H

#include <offhook/params.h>
#include <offhook/uri.h>

/*
 * oh_uri_parse without the copy, of a text that is not NULL: NULL, or what is wrong with the byte
 * at offset *at, with *u half filled. Bytes up to limit may be read, see wide.h.
 */
const char *oh__uri_decode(struct oh_span text, const char *limit, struct oh_uri *u, size_t *at);

/*
 * Reads a URI that ends at the first ">" before end, and returns where that is. NULL when there is
 * none, or anything is wrong (oh__uri_decode tells what), with *u half filled.
 */
const char *oh__uri_between(const char *p, const char *end, const char *limit, struct oh_uri *u);

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
