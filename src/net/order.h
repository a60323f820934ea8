/* In which order to try the addresses of a name. */
#ifndef OH_NET_ORDER_H
#define OH_NET_ORDER_H

#include <offhook/addr.h>

/* Sorts addresses as RFC 6724 6 asks, by what the kernel would send from; at most 64. */
void oh__order(struct oh_addr *addrs, unsigned n);

/* As oh__order when the source addresses are known (OH_FAMILY_NONE = no route); for tests. Sorts
 * both arrays. */
void oh__order_by(struct oh_addr *addrs, struct oh_addr *sources, unsigned n);

#endif
