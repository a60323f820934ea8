/*
 * The heap of the whole process: what oh_alloc_default gives (the linker puts
 * this one in its place, see tests/CMakeLists.txt), and with it Lua's; and
 * those of SQLite, OpenSSL, c-ares and jansson, which let theirs be replaced.
 * Any thread may use it.
 */
#ifndef OH_TESTS_ALLOC_HEAP_H
#define OH_TESTS_ALLOC_HEAP_H

#include <stdbool.h>
#include <stddef.h>

/* Takes over the heaps of the libraries; before anything else of them is called. */
void heap_hook_libraries(void);

/* The n-th allocation from now on fails (1 = the next one), and with rest all that follow; 0: none
 * does. Returns how many failed since the last call. */
size_t heap_fail(size_t n, bool rest);

/* Allocations so far, and what is out of oh_alloc_default now (blocks). */
size_t heap_calls(void);
size_t heap_blocks(void);

#endif
