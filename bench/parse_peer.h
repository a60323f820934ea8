/*
 * What each program bench-parse-NAME implements: one other library reading one message, as far as
 * bench-parse's "decode" reads it: every header indexed; start line, Via, From, To, Call-ID, CSeq,
 * Max-Forwards, Contact and Route decoded, the addresses down to the host of their URI.
 */
#ifndef BENCH_PARSE_PEER_H
#define BENCH_PARSE_PEER_H

#include <stdbool.h>
#include <stddef.h>

/* The library's name. */
extern const char peer_name[];

/* Called once before anything else; false when the library refuses. */
bool peer_init(void);

/*
 * Reads a message and gives back what that took; false when one of the fields is missing or not as
 * it is in bench/invite.sip, so that no library can be fast by leaving something out.
 */
bool peer_read(const char *p, size_t n);

#endif
