/*
 * What the system says of the server under test: the CPU time of its processes and threads, their
 * memory, and the datagrams that the kernel threw away.
 */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include <stdbool.h>
#include <stdint.h>

struct probe {
    uint64_t at_ns;        /* when; for who asks */
    uint64_t cpu_ns;       /* of every thread of every process */
    uint64_t pss_kib;      /* proportional set size: shared pages are counted once */
    uint64_t socket_drops; /* datagrams dropped at the server's own UDP sockets */
    uint64_t snmp_drops;   /* RcvbufErrors of the whole machine */
    uint64_t busy_ns;      /* time that all cores of the machine worked, or could not (steal) */
    unsigned tasks;        /* threads that were counted */
};

/* Reads it for the trees below n processes, and the UDP sockets bound to a port. */
struct probe probe_read(const int *pids, unsigned n, uint16_t port);

#endif
