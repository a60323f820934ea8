/* The files of a corpus, one after the other. */
#ifndef TESTS_UNIT_SIP_CORPUS_H
#define TESTS_UNIT_SIP_CORPUS_H

#include <offhook/span.h>

/*
 * Calls `each` for every file below tests/<folder> whose name ends in `suffix`; returns how many
 * there were. The bytes live in a block of their exact size until `each` returns.
 */
size_t corpus_walk(const char *folder, const char *suffix,
                   void (*each)(void *ctx, const char *name, struct oh_span bytes), void *ctx);

#endif
