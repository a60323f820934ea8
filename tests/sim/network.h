/*
 * The virtual network: datagrams that may get lost, come twice, late or in
 * another order; streams that keep the order and may break; names that resolve
 * or not. Whatever happens is drawn from the world's seed.
 *
 * Peers are found by address. A datagram to an address where nobody is dies
 * quietly, unless network_refuse was called for it.
 */
#ifndef OH_TESTS_SIM_NETWORK_H
#define OH_TESTS_SIM_NETWORK_H

#include <offhook/flow.h>

struct world;
struct peer;

/* What the network does to messages; chances in percent. All zero: perfect and without delay. */
struct network_faults {
    unsigned loss;                 /* dies on its way */
    unsigned repeat;               /* arrives twice, the second time with a delay of its own */
    unsigned damage;               /* bytes are changed or cut off on its way */
    unsigned late;                 /* takes up to late_max more than others */
    uint32_t late_max;             /* ms */
    unsigned breaks;               /* of a stream: it breaks in the middle of this message */
    uint32_t delay_min, delay_max; /* ms; different delays are what changes the order */
    uint32_t pieces_max;           /* bytes of a stream that arrive at once; 0 = all at once */
    bool one_by_one;               /* streams deliver byte by byte */
};

/* Changes the network's ways from now on, for datagrams sent after this. */
void network_faults(struct world *w, const struct network_faults *faults);

/*
 * Decides about single datagrams: called for each that is sent, before chance;
 * true loses it. NULL takes the function out. to_server tells the direction.
 */
void network_filter(struct world *w,
                    bool (*lose)(void *ctx, bool to_server, const struct oh_addr *peer,
                                 struct oh_span bytes),
                    void *ctx);

/*
 * From now on what the server sends to this address ("192.0.2.99:5060") fails
 * by ICMP or a refused connection: the ticket is answered with OH_E_IO.
 */
void network_refuse(struct world *w, const char *address);

/* The opposite of network_refuse. */
void network_allow(struct world *w, const char *address);

/*
 * A name of the virtual DNS: the server's look-up of it yields these addresses ("192.0.2.20",
 * up to 8, separated by blanks); "" = there is no such name; NULL = the resolver never answers but
 * with OH_E_TIMEOUT after 5 s. Names that were not told are OH_E_NOTFOUND.
 */
void network_name(struct world *w, const char *name, const char *addresses);

/*
 * From now on a message of the server to a host where no peer ever was, and none was refused, fails
 * the case.
 */
void network_closed(struct world *w, bool closed);

/* How many datagrams and stream pieces are on their way. */
unsigned network_busy(const struct world *w);

#endif
