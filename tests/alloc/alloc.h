/*
 * Each allocation failing in turn, over the whole server and over everything
 * that is made of memory. A scenario is run once to count its allocations,
 * then again for each of them: with that one failing, and with it and all that
 * follow. It must not crash, not leak, not report a success that is none, and
 * what it worked on must be usable afterwards.
 *
 *   door      every conformance case in the simulated world; the server's own heap
 *   makers    what is made and ended: tables, endpoints, stores, sockets, policies;
 *             the heap of the whole process, with that of SQLite, OpenSSL and Lua
 */
#ifndef OH_TESTS_ALLOC_ALLOC_H
#define OH_TESTS_ALLOC_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which of all failures are tried: each `every`-th, beginning with number `first`. */
struct alloc_job {
    unsigned every, first;
    const char *only; /* a word of the names of what runs; NULL: all */
};

/* True when the next failure is one to be tried; counts. */
bool alloc_chosen(const struct alloc_job *job);

/* Prints a result; n: how many allocations were failed. The name as printf. */
void alloc_result(bool well, size_t n, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* True when the job wants what has this name. */
bool alloc_wanted(const struct alloc_job *job, const char *name);

/* The parts; true when all was well. */
bool alloc_door(const struct alloc_job *job);
bool alloc_makers(const struct alloc_job *job);

#endif
