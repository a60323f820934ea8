/* What all workers of a process have in common. */
#ifndef OH_NET_SHARED_H
#define OH_NET_SHARED_H

#include "net/conns.h"
#include "net/mail.h"
#include "net/net.h"

#define OH__NAMESERVERS_MAX 256 /* bytes of text */
#define OH__WARNING_MAX     256

struct oh__net_shared {
    struct oh__net_options options; /* with defaults filled in */
    char nameservers[OH__NAMESERVERS_MAX];
    struct oh_addr bound[OH__NET_LISTENERS_MAX];
    int fds[OH__NET_LISTENERS_MAX][OH__WORKERS_MAX]; /* -1 = none */
    struct oh__conns *conns;
    struct oh__mailbox mail[OH__WORKERS_MAX];
    unsigned mail_n; /* mailboxes that exist */
    char warning[OH__WARNING_MAX];
};

/*
 * Opens the listening sockets of all workers and fills bound, fds and warning. As oh__net_open;
 * what was opened before a failure stays in fds.
 */
int oh__listeners_open(struct oh__net_shared *s, char *why, size_t cap);

#endif
