/* Hosts and ports, as URIs and Via have them (RFC 3261 25.1, RFC 5954 4.1). */
#ifndef OH_SIP_HOST_H
#define OH_SIP_HOST_H

#include <offhook/addr.h>

/*
 * Moves over the host at p: a name, an IPv4 address or an IPv6 address in brackets. *addr, which is
 * empty before, gets an address and stays empty for a name. NULL, with a reason, when a name has an
 * empty label, or its last label begins with a digit and is no IPv4 address. Bytes up to limit may
 * be read, see wide.h.
 */
const char *oh__host_skip(const char *p, const char *end, const char *limit, struct oh_addr *addr,
                          const char **why);

/*
 * Moves over 1*DIGIT, a port from 1 to 65535. Otherwise *why is set, and what is returned is behind
 * the digits that there were.
 */
const char *oh__port_skip(const char *p, const char *end, uint16_t *port, const char **why);

#endif
