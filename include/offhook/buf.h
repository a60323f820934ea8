/*
 * A bounded buffer to write into. Overflow sets a sticky error and writes
 * nothing more, so a builder appends freely and tests once at the end.
 */
#ifndef OFFHOOK_BUF_H
#define OFFHOOK_BUF_H

#include <offhook/addr.h>
#include <offhook/span.h>

struct oh_buf {
    char *p;    /* the caller's memory */
    size_t n;   /* bytes written */
    size_t cap; /* bytes there are */
    bool full;  /* sticky: something did not fit; what is in p is not to be used */
};

/* Starts an empty buffer over memory that the caller owns. */
static inline void oh_buf_init(struct oh_buf *b, char *p, size_t cap)
{
    *b = (struct oh_buf){p, 0, cap, false};
}

/* Appends n bytes. */
static inline void oh_buf_put(struct oh_buf *b, const char *p, size_t n)
{
    if (b->full || n > b->cap - b->n) {
        b->full = true;
        return;
    }
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
}

/* Appends a span. */
static inline void oh_buf_span(struct oh_buf *b, struct oh_span s)
{
    oh_buf_put(b, s.p, s.n);
}

/* Appends a string literal. */
#define oh_buf_lit(b, s) oh_buf_put((b), (s), sizeof(s) - 1)

/* Appends one byte. */
static inline void oh_buf_char(struct oh_buf *b, char c)
{
    oh_buf_put(b, &c, 1);
}

/* Appends an unsigned decimal number. */
void oh_buf_u64(struct oh_buf *b, uint64_t v);

/* Appends bytes as lower-case hexadecimal digits. */
void oh_buf_hex(struct oh_buf *b, const void *bytes, size_t n);

/*
 * Appends an address without port as a SIP host is written: IPv6 in brackets
 * and without zone, which means nothing to others. An address of no family
 * sets the sticky error, because no message may go out with it.
 */
void oh_buf_host(struct oh_buf *b, const struct oh_addr *a);

/*
 * Appends as a SIP quoted-string with its quotes (RFC 3261 25.1), escaping
 * what needs it and dropping CR, LF and NUL, which no escape makes harmless.
 */
void oh_buf_quoted(struct oh_buf *b, struct oh_span s);

/* What was written. */
static inline struct oh_span oh_buf_view(const struct oh_buf *b)
{
    return oh_span(b->p, b->n);
}

/* OH_OK, or OH_E_LIMIT when something did not fit. */
int oh_buf_error(const struct oh_buf *b);

#endif
