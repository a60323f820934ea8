/*
 * A transport address without the operating system's types, so that the core
 * can be used, and tested, where there are no sockets.
 */
#ifndef OFFHOOK_ADDR_H
#define OFFHOOK_ADDR_H

#include <offhook/span.h>

enum oh_family { OH_FAMILY_NONE = 0, OH_FAMILY_IPV4 = 4, OH_FAMILY_IPV6 = 6 };

struct oh_addr {
    uint8_t family; /* enum oh_family */
    uint16_t port;  /* host byte order; 0 = none */
    uint8_t ip[16]; /* network order; IPv4 uses the first four, the rest is 0 */
    uint32_t scope; /* IPv6 zone index; 0 = none */
};

/*
 * Parses an address literal, not a name: "192.0.2.1", "2001:db8::1", and with
 * brackets "[2001:db8::1]". The grammar is that of RFC 5954 4.1: no leading
 * zeros in IPv4, "::" once. Besides, IPv6 may carry a numeric zone ("fe80::1%2";
 * names of interfaces need the operating system), and ":::" before an IPv4
 * part is read as "::" (RFC 5118 4.10). The port is left 0. OH_E_SYNTAX otherwise.
 */
int oh_addr_parse(struct oh_span text, struct oh_addr *out);

/*
 * As oh_addr_parse, with an optional ":port" behind ("192.0.2.1:5060",
 * "[::1]:5060"). IPv6 without brackets cannot have a port. OH_E_SYNTAX also
 * for a port that is empty or above 65535.
 */
int oh_addr_parse_port(struct oh_span text, struct oh_addr *out);

/* Equality of address, zone and port; IPv4-mapped IPv6 equals the IPv4 address. */
bool oh_addr_eq(const struct oh_addr *a, const struct oh_addr *b);

/* As oh_addr_eq without the port. */
bool oh_addr_same_host(const struct oh_addr *a, const struct oh_addr *b);

/* Turns an IPv4-mapped IPv6 address into IPv4, leaves others. */
void oh_addr_unmap(struct oh_addr *a);

/* True for 127/8 and ::1. */
bool oh_addr_is_loopback(const struct oh_addr *a);

/* True for 0.0.0.0 and ::. */
bool oh_addr_is_any(const struct oh_addr *a);

/* True for broadcast and multicast, which nothing may be sent to (RFC 4475 3.3.10). */
bool oh_addr_is_broadcast(const struct oh_addr *a);

/* A network such as 10.0.0.0/8: an address and how many leading bits count. */
struct oh_network {
    struct oh_addr addr;
    uint8_t bits;
};

/*
 * Parses "10.0.0.0/8", "2001:db8::/32", or a single address, which is a
 * network of one. Bits behind the prefix are cleared; a network within
 * ::ffff:0:0/96 becomes IPv4. OH_E_SYNTAX otherwise.
 */
int oh_network_parse(struct oh_span text, struct oh_network *out);

/*
 * True when the address lies in the network. An IPv4-mapped address counts as
 * IPv4, so that "::/0" admits no IPv4; a network with a zone admits only that zone.
 */
bool oh_network_has(const struct oh_network *net, const struct oh_addr *a);

#define OH_ADDR_TEXT_MAX 64 /* room for "[address%zone]:port" and a terminator */

/*
 * Writes the bare address ("192.0.2.1", "2001:db8::1", "fe80::1%2") and a
 * terminator; returns its length. IPv6 as RFC 5952 says; no family gives "-".
 */
size_t oh_addr_host_text(const struct oh_addr *a, char out[OH_ADDR_TEXT_MAX]);

/*
 * Writes address and port ("192.0.2.1:5060", "[2001:db8::1]:5060") and a
 * terminator; returns its length. Port 0 is left out, the brackets are not, so
 * oh_addr_parse_port always reads back what stands here.
 */
size_t oh_addr_text(const struct oh_addr *a, char out[OH_ADDR_TEXT_MAX]);

#endif
