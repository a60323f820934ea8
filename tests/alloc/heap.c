/* One lock round everything: what is tested has threads of its own. */
#include "heap.h"

#include <ares.h>
#include <jansson.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <sqlite3.h>

#include "unit/alloc_fail.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct test_heap heap = {
    .alloc = {&heap, test_heap_alloc, test_heap_realloc, test_heap_free},
};

/* ---- oh_alloc_default ---- */

static void *locked_alloc(void *ctx, size_t size)
{
    void *p;

    pthread_mutex_lock(&lock);
    p = test_heap_alloc(ctx, size);
    pthread_mutex_unlock(&lock);
    return p;
}

static void *locked_realloc(void *ctx, void *p, size_t old_size, size_t new_size)
{
    void *q;

    pthread_mutex_lock(&lock);
    /* Lua relies on it that making a block smaller never fails. */
    if (p && new_size <= old_size) {
        q = test_heap_get(&heap, new_size);
        memcpy(q, p, new_size);
        test_heap_put(&heap, p, old_size);
    } else {
        q = test_heap_realloc(ctx, p, old_size, new_size);
    }
    pthread_mutex_unlock(&lock);
    return q;
}

static void locked_free(void *ctx, void *p, size_t size)
{
    pthread_mutex_lock(&lock);
    test_heap_free(ctx, p, size);
    pthread_mutex_unlock(&lock);
}

const struct oh_alloc *__wrap_oh_alloc_default(void);

const struct oh_alloc *__wrap_oh_alloc_default(void)
{
    static const struct oh_alloc table = {&heap, locked_alloc, locked_realloc, locked_free};

    return &table;
}

/* ---- libraries ---- */

/* True when this call of a library is to fail. */
static bool library_hit(void)
{
    bool hit;

    pthread_mutex_lock(&lock);
    hit = test_heap_hit(&heap);
    pthread_mutex_unlock(&lock);
    return hit;
}

static void *library_malloc(size_t n)
{
    return library_hit() ? NULL : malloc(n ? n : 1);
}

static void *library_realloc(void *p, size_t n)
{
    return library_hit() ? NULL : realloc(p, n ? n : 1);
}

static void *sqlite_malloc(int n)
{
    return library_malloc((size_t)n);
}

static void *sqlite_realloc(void *p, int n)
{
    return library_realloc(p, (size_t)n);
}

static int sqlite_size(void *p)
{
    return p ? (int)malloc_usable_size(p) : 0;
}

static int sqlite_round(int n)
{
    return (n + 7) & ~7;
}

static int sqlite_begin(void *ctx)
{
    (void)ctx;
    return SQLITE_OK;
}

static void sqlite_end(void *ctx)
{
    (void)ctx;
}

static void *openssl_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return n ? library_malloc(n) : NULL;
}

static void *openssl_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (n)
        return library_realloc(p, n);
    free(p);
    return NULL;
}

static void openssl_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

void heap_hook_libraries(void)
{
    static const sqlite3_mem_methods methods = {sqlite_malloc, free,         sqlite_realloc,
                                                sqlite_size,   sqlite_round, sqlite_begin,
                                                sqlite_end,    NULL};

    test_heap_demand(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK,
                     "SQLite keeps its own heap");
    test_heap_demand(CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1,
                     "OpenSSL keeps its own heap");
    test_heap_demand(ares_library_init_mem(ARES_LIB_INIT_ALL, library_malloc, free,
                                           library_realloc) == ARES_SUCCESS,
                     "c-ares keeps its own heap");
    json_set_alloc_funcs(library_malloc, free);
}

/* ---- control ---- */

size_t heap_fail(size_t n, bool rest)
{
    size_t failed;

    pthread_mutex_lock(&lock);
    failed = heap.failed;
    heap.failed = 0;
    heap.fail_rest = rest;
    test_heap_fail(&heap, n);
    pthread_mutex_unlock(&lock);
    return failed;
}

size_t heap_calls(void)
{
    size_t n;

    pthread_mutex_lock(&lock);
    n = heap.calls;
    pthread_mutex_unlock(&lock);
    return n;
}

size_t heap_blocks(void)
{
    size_t n;

    pthread_mutex_lock(&lock);
    n = heap.blocks;
    pthread_mutex_unlock(&lock);
    return n;
}
