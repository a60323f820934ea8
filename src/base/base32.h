/*
 * Base 32 (RFC 4648 6) in lower case and without padding: the form of what we
 * give to peers and want back (branches, tags, Record-Route tokens). A peer may
 * change the case of a token, and then it still can be read.
 */
#ifndef OH_BASE_BASE32_H
#define OH_BASE_BASE32_H

#include <offhook/span.h>

/* How many digits n bytes become. */
#define OH__BASE32_SIZE(n) (((n)*8 + 4) / 5)

/* Writes n bytes as OH__BASE32_SIZE(n) digits; returns how many those are. */
size_t oh__base32_put(char *out, const uint8_t *bytes, size_t n);

/*
 * Reads digits in either case into at most cap bytes and returns how many they were; 0 when the
 * text is empty, longer than that, or not what oh__base32_put writes: bytes have one form only. out
 * may have been written to all the same.
 */
size_t oh__base32_get(struct oh_span text, uint8_t *out, size_t cap);

#endif
