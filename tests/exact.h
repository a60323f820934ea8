/*
 * Heap blocks of the exact size of a text, so that the address sanitizer sees
 * the first byte that a decoder reads too far.
 */
#ifndef TESTS_EXACT_H
#define TESTS_EXACT_H

#include <stdlib.h>

#include <offhook/span.h>

/* A copy that ends where its block ends; give it to exact_free. */
static inline struct oh_span exact_copy(struct oh_span s)
{
    char *p = malloc(s.n);

    if (s.n)
        memcpy(p, s.p, s.n);
    return oh_span(p, s.n);
}

/* Frees what exact_copy made. */
static inline void exact_free(struct oh_span s)
{
    free((char *)s.p);
}

#endif
