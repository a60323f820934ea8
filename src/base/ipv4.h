/* An IPv4 address at the front of a text, for those who do not know yet where it ends. */
#ifndef OH_BASE_IPV4_H
#define OH_BASE_IPV4_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads four numbers with dots between, as oh_addr_parse does. Returns how many of the n bytes they
 * are, 0 when there is no address; what follows is not looked at, not even when it is a digit.
 */
size_t oh__ipv4_take(const char *p, size_t n, uint8_t out[4]);

#endif
