/* What only the operating system can tell: time, entropy, and hashes from the library that
 * operators patch. */
#ifndef OH_NET_SYSTEM_H
#define OH_NET_SYSTEM_H

#include <pthread.h>
#include <time.h>

#include <offhook/digest.h>

/* The monotonic clock in nanoseconds; it never jumps and means nothing outside this machine. */
uint64_t oh__clock_now(void);

/* The processor time that the calling thread has used, in nanoseconds. */
uint64_t oh__clock_thread(void);

/* The wall clock in milliseconds since 1970; it may jump when somebody sets it. */
uint64_t oh__clock_wall(void);

/*
 * Makes a condition variable whose time-outs count on the monotonic clock, so that setting the wall
 * clock neither holds a waiter up nor wakes it early. OH_OK or OH_E_NOMEM.
 */
int oh__cond_init(pthread_cond_t *cond);

/* The time `ms` from now for pthread_cond_timedwait on what oh__cond_init made. */
struct timespec oh__cond_after(unsigned ms);

/* Fills memory with entropy from the kernel; OH_OK or OH_E_IO. */
int oh__entropy(void *out, size_t n);

/*
 * A hasher on OpenSSL 3 with its algorithms fetched once; one per thread (contexts are reused).
 * NULL on failure. Ended with oh__hasher_free.
 */
struct oh_hasher *oh__hasher_new(void);

/* Ends a hasher. NULL is ignored. */
void oh__hasher_free(struct oh_hasher *hasher);

/* Host addresses of this machine that are up, without link-local ones; returns how many (at most
 * max). */
unsigned oh__local_addrs(struct oh_addr *out, unsigned max);

/* Our address (port 0) from which the kernel would send to a peer; nothing is sent. OH_OK or
 * OH_E_IO (no route). */
int oh__local_toward(const struct oh_addr *peer, struct oh_addr *out);

/* The machine's name as the kernel has it, terminated; "" when unknown. */
void oh__host_name(char *out, size_t cap);

#endif
