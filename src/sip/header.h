/* Looking a header name up where the bytes behind it may be read. */
#ifndef OH_SIP_HEADER_H
#define OH_SIP_HEADER_H

#include <offhook/header.h>

/* Longer than any name of the table, in whole words of eight bytes. */
#define OH__HEADER_WIDE 24

/* oh_header_of for a token of n bytes, with OH__HEADER_WIDE readable bytes from p on. */
enum oh_header_id oh__header_of_wide(const char *p, size_t n);

#endif
