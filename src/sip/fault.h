/*
 * How decoders report: where in the value, and why. The code comes back so
 * that a decoder says both in one statement.
 */
#ifndef OH_SIP_FAULT_H
#define OH_SIP_FAULT_H

#include <offhook/error.h>
#include <offhook/span.h>

/*
 * Fills a fault (NULL: nobody asked) with the offset of `at` in the value that
 * begins at `base`, and returns the code.
 */
static inline int oh__fault(struct oh_fault *fault, int code, const char *base, const char *at,
                            const char *why)
{
    if (fault)
        *fault = (struct oh_fault){code, 0, (uint32_t)(at - base), why};
    return code;
}

/* As oh__fault, for a fault of the whole value and not of a place in it. */
static inline int oh__fault_whole(struct oh_fault *fault, int code, const char *why)
{
    if (fault)
        *fault = (struct oh_fault){code, 0, 0, why};
    return code;
}

#endif
