/*
 * Memory that an arena, a pool or a block cache keeps for later is still valid
 * memory for the heap, so a stale pointer into it would go unnoticed. These
 * tell AddressSanitizer where nobody may read or write for the moment; without
 * it they are nothing.
 */
#ifndef OH_BASE_POISON_H
#define OH_BASE_POISON_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OH__HAVE_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define OH__HAVE_ASAN 1
#endif

#ifdef OH__HAVE_ASAN
#include <sanitizer/asan_interface.h>
#endif

/* From now on n bytes at p may not be touched. */
static inline void oh__poison(const void *p, size_t n)
{
#ifdef OH__HAVE_ASAN
    ASAN_POISON_MEMORY_REGION(p, n);
#else
    (void)p;
    (void)n;
#endif
}

/* They may be touched again. */
static inline void oh__unpoison(const void *p, size_t n)
{
#ifdef OH__HAVE_ASAN
    ASAN_UNPOISON_MEMORY_REGION(p, n);
#else
    (void)p;
    (void)n;
#endif
}

#endif
