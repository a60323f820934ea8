/* Looking a header name up where the bytes behind it may be read. */
#ifndef OH_SIP_HEADER_H
#define OH_SIP_HEADER_H

#include <offhook/header.h>

/* Longer than any name of the table, in whole words of eight bytes. */
#define OH__HEADER_WIDE 24

/* A name of the table with NULs behind it, as wide as the widest vector that it is compared with.
 */
struct oh__header_name {
    char text[32];
};

/* The names in their usual spelling, by id. */
extern const struct oh__header_name oh__header_names[OH_HEADER_COUNT];

/*
 * Which bits of a name are compared: the bits of n bytes but those of case, and no more, begin at
 * n bytes before the middle.
 */
extern const char oh__header_counts[64];

/* Only letters begin a name, so five bits of the first byte tell them apart without case. */
#define OH__HEADER_SLOT(n, letter) ((n) << 5 | ((unsigned)(letter)&31))
#define OH__HEADER_SLOTS           1024

/* The first id to compare with, by OH__HEADER_SLOT of a length below 32; 0 = none. */
extern const uint8_t oh__header_slots[OH__HEADER_SLOTS];

/* The next id to compare with; 0 = none. */
extern const uint8_t oh__header_chain[OH_HEADER_COUNT];

/* oh_header_of for a token of n bytes, with OH__HEADER_WIDE readable bytes from p on. */
enum oh_header_id oh__header_of_wide(const char *p, size_t n);

#endif
