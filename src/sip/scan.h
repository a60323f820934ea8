/*
 * The first pass over a message: where lines begin and end, and which header
 * each of them is. Two versions with one result, so that a machine without AVX2
 * reads the same message.
 */
#ifndef OH_SIP_SCAN_H
#define OH_SIP_SCAN_H

#include <offhook/msg.h>

enum oh__scan_result {
    OH__SCAN_DONE,       /* the empty line was found */
    OH__SCAN_INCOMPLETE, /* the bytes end before it */
    OH__SCAN_BARE_CR,    /* a CR without LF */
    OH__SCAN_BARE_LF,    /* an LF without CR */
    OH__SCAN_NUL,        /* a NUL that is not escaped by "\" (RFC 4475 3.1.1.2) */
    OH__SCAN_ROWS,       /* more than OH_MSG_HEADERS_MAX rows */
};

struct oh__scan {
    uint32_t at;        /* DONE: offset behind the empty line; else where the scan stopped */
    uint32_t start_n;   /* length of the start line without CRLF; 0 when it has no end */
    bool start_folded;  /* the start line goes on behind its CRLF, which no message may do */
    uint32_t broken_at; /* where the first row begins that is no header ... */
    const char *broken; /* ... and what is wrong with it; NULL when all are fine */
};

/*
 * Scans a start line and header rows, folds included, up to the empty line, and
 * fills rows, rows_n and first of m; rows_n and first must be 0 before. A row
 * that is no header is left out. n must be below 2^32 - 64. Never reads outside
 * p[0 .. n-1].
 */
enum oh__scan_result oh__scan_scalar(const char *p, size_t n, struct oh_msg *m,
                                     struct oh__scan *out);

/* The same with AVX2; only to be called when oh__scan_has_avx2(). */
enum oh__scan_result oh__scan_avx2(const char *p, size_t n, struct oh_msg *m, struct oh__scan *out);

/* True when this machine has AVX2 and the compiler could build for it. */
bool oh__scan_has_avx2(void);

/* The faster version that this machine can run. */
enum oh__scan_result oh__scan(const char *p, size_t n, struct oh_msg *m, struct oh__scan *out);

#endif
