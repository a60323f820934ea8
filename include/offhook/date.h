/*
 * Date (RFC 3261 20.17): an RFC 1123 date in GMT and nothing else. Computed
 * here, because the C library's calendar depends on locale and time zone.
 */
#ifndef OFFHOOK_DATE_H
#define OFFHOOK_DATE_H

#include <offhook/buf.h>
#include <offhook/error.h>

/*
 * Decodes "Sat, 13 Nov 2010 23:29:00 GMT" to seconds since 1970-01-01 00:00:00 UTC (negative
 * before). Names are compared with case (RFC 3261 20.17); a day of one digit is read, a leap second
 * counts as the second before, the day of the week is not checked against the date. OH_E_SYNTAX,
 * also for another zone; OH_E_RANGE for a day or time that does not exist. fault may be NULL.
 */
int oh_date_decode(struct oh_span value, int64_t *seconds, struct oh_fault *fault);

/* Writes a date; OH_OK, or OH_E_RANGE for years outside 0 to 9999 (nothing is written). */
int oh_date_put(struct oh_buf *out, int64_t seconds);

#endif
