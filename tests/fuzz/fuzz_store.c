/*
 * Files of bindings as they may be found after a crash, a full disk or a bad
 * memory chip. An input is one or two segments and perhaps a snapshot, each in
 * one of two ways: bytes as they are, with sums that may be set right; or
 * records that are written as a server does and then damaged.
 *
 * Whatever is there, replay gives only records whose sums are right (added up
 * here by another, slow way), each with a higher version than the one before
 * it for its AOR, and it gives every record that nobody touched. What it gives
 * goes into a location table, as at the start of a server.
 */
#define _GNU_SOURCE /* memfd_create */

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "fuzz.h"
#include "serve/location_record.h"
#include "store/parts.h"

#define FILE_MAX_BYTES 8192
#define RECORDS_MAX    16

/* ---- sums, bit by bit, so that they are not those of the product ---- */

static uint32_t slow_crc(uint32_t crc, const char *p, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint8_t)p[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    return ~crc;
}

static uint32_t get32(const char *p)
{
    const uint8_t *u = (const uint8_t *)p;

    return u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static void put32(char *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (char)(v >> 8 * i);
}

/* ---- a file ---- */

struct record_at {
    size_t at, n;
};

struct file {
    char bytes[FILE_MAX_BYTES];
    size_t n;
    uint32_t seed;
    unsigned written; /* records that were written as they should be */
    struct record_at records[RECORDS_MAX];
};

/* Sets the sums of the head, and of every record that follows from its size. */
static void mend_sums(struct file *f)
{
    size_t at = OH__FILE_HEAD;

    if (f->n < OH__FILE_HEAD)
        return;
    put32(f->bytes + OH__FILE_HEAD - 4, slow_crc(0, f->bytes, OH__FILE_HEAD - 4));
    f->seed = slow_crc(0, f->bytes + 40, 16);
    while (at + OH__RECORD_HEAD <= f->n) {
        char *r = f->bytes + at;
        size_t size = get32(r + 8);

        if (size < OH__RECORD_HEAD || size > f->n - at)
            return;
        put32(r + 4, slow_crc(f->seed, r + OH__RECORD_HEAD, size - OH__RECORD_HEAD));
        put32(r, slow_crc(f->seed, r + 4, OH__RECORD_HEAD - 4));
        at += (size + 7) & ~(size_t)7;
    }
}

static void write_records(struct file *f, struct fuzz_bytes *in, unsigned files)
{
    struct oh__file_head head = {.worker = 0, .sequence = files + 1, .generation = 1};

    memcpy(head.magic, OH__SEGMENT_MAGIC, 8);
    memcpy(head.salt, "a salt of 16 b.", 16);
    oh__file_head_put(f->bytes, &head);
    f->seed = slow_crc(0, (const char *)head.salt, 16);
    f->n = OH__FILE_HEAD;
    for (unsigned i = 0, n = 1 + fuzz_byte(in) % RECORDS_MAX; i < n; i++) {
        char name[8];
        int name_n = snprintf(name, sizeof name, "u%u", i % 4);
        struct oh__record r = {.lsn = 100 * files + i + 1,
                               .version = 100 * files + i + 1,
                               .aor = oh_span(name, (size_t)name_n)};
        size_t size;

        r.body = fuzz_take(in, fuzz_byte(in));
        size = oh__record_size(r.aor, r.body);
        MUST(size > 0 && size % OH__RECORD_STEP == 0 && f->n + size <= sizeof f->bytes);
        oh__record_put(f->bytes + f->n, f->seed, &r);
        f->records[f->written++] = (struct record_at){f->n, size};
        f->n += size;
    }
}

/* Flips, zeroes, cuts; a record that is touched need not be found any more. */
static void damage(struct file *f, struct fuzz_bytes *in)
{
    for (unsigned i = 0, n = fuzz_byte(in) % 4; i < n; i++) {
        uint8_t how = fuzz_byte(in);
        size_t at = fuzz_u16(in) % (f->n + 1);
        size_t len = 1 + fuzz_byte(in);

        len = len < f->n - at ? len : f->n - at;
        if (how % 4 == 0)
            f->n = at;
        else if (how % 4 == 1)
            memset(f->bytes + at, 0, len);
        else
            for (size_t k = 0; k < len; k++)
                f->bytes[at + k] = (char)(f->bytes[at + k] ^ fuzz_byte(in));
    }
}

static void make_file(struct file *f, struct fuzz_bytes *in, unsigned files)
{
    uint8_t how = fuzz_byte(in);
    struct oh_span raw;

    if (how & 1) {
        write_records(f, in, files);
        damage(f, in);
        return;
    }
    raw = fuzz_take(in, fuzz_u16(in) % (FILE_MAX_BYTES / 2));
    memcpy(f->bytes, raw.n ? raw.p : "", raw.n);
    f->n = raw.n;
    /* Records of the usual magic, or what the input says. */
    if (how & 2 && f->n >= 8)
        memcpy(f->bytes, how & 8 ? OH__SNAPSHOT_MAGIC : OH__SEGMENT_MAGIC, 8);
    if (how & 4)
        mend_sums(f);
}

/* ---- what a reader of one file may say ---- */

/* True when nothing of a record that was written has been changed. */
static bool is_intact(const struct file *f, const struct record_at *r)
{
    const char *p = f->bytes + r->at;
    size_t n;

    if (r->at + r->n > f->n)
        return false;
    n = get32(p + 8);
    return n >= OH__RECORD_HEAD && n <= r->n && get32(p) == slow_crc(f->seed, p + 4, 28) &&
           get32(p + 4) == slow_crc(f->seed, p + OH__RECORD_HEAD, n - OH__RECORD_HEAD);
}

static int memory_file(const struct file *f)
{
    int fd = memfd_create("oh-fuzz", MFD_CLOEXEC);

    MUST(fd >= 0 && write(fd, f->bytes, f->n) == (ssize_t)f->n);
    return fd;
}

/*
 * The seed that a reader takes for a file; false when it reads nothing of it. A head that is
 * damaged costs nothing while the first record is intact.
 */
static bool seed_of(const struct file *f, uint32_t *seed)
{
    struct oh_span behind = oh_span_from(oh_span(f->bytes, f->n), OH__FILE_HEAD);
    struct oh__file_head head;
    struct oh__record first;
    int rc;

    if (f->n < OH__FILE_HEAD)
        return false;
    rc = oh__file_head_get(f->bytes, OH__SEGMENT_MAGIC, &head);
    if (rc == OH_E_CORRUPT)
        rc = oh__file_head_get(f->bytes, OH__SNAPSHOT_MAGIC, &head);
    if (rc == OH_OK) {
        *seed = oh__file_seed(&head);
        MUST(*seed == slow_crc(0, f->bytes + 40, 16));
        return true;
    }
    return rc == OH_E_CORRUPT && oh__file_seed_guess(f->bytes, behind, seed, &first) == OH_OK;
}

/* Follows the reader through the file; how many of the records that were written it has found. */
static unsigned follow(const struct file *f, struct oh__scan *s, uint32_t seed)
{
    size_t end = OH__FILE_HEAD;
    unsigned found = 0;
    struct oh__record r;
    int rc;

    while ((rc = oh__scan_next(s, &r)) == OH_OK) {
        /* Where it stands in the file; its bytes must be right by our own sums. */
        size_t at = (size_t)s->offset + s->at - oh__record_size(r.aor, r.body);

        MUST(at >= end && at % OH__RECORD_STEP == 0 && at + OH__RECORD_HEAD <= f->n);
        end = at + OH__RECORD_HEAD + r.aor.n + r.body.n;
        MUST(end <= f->n && get32(f->bytes + at) == slow_crc(seed, f->bytes + at + 4, 28));
        MUST(get32(f->bytes + at + 4) ==
             slow_crc(seed, f->bytes + at + OH__RECORD_HEAD, r.aor.n + r.body.n));
        MUST(memcmp(f->bytes + at + OH__RECORD_HEAD, r.aor.p, r.aor.n) == 0);
        for (unsigned i = 0; i < f->written; i++)
            found += f->records[i].at == at;
    }
    MUST(rc == OH_E_ABSENT);
    return found;
}

static void scan(const struct file *f)
{
    unsigned intact = 0;
    struct oh__scan s;
    uint32_t seed;
    int fd;

    for (unsigned i = 0; i < f->written; i++)
        intact += is_intact(f, &f->records[i]);
    if (!seed_of(f, &seed)) {
        /* Then its head is broken, and the first record with it. */
        MUST(intact == 0 || !is_intact(f, &f->records[0]));
        return;
    }
    fd = memory_file(f);
    MUST(oh__scan_init(&s, fd, seed) == OH_OK);
    MUST(follow(f, &s, seed) >= intact);
    oh__scan_done(&s);
    close(fd);
}

/* ---- the whole start of a server ---- */

static void put_file(const char *folder, const char *name, const struct file *f)
{
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s/bindings/%s", folder, name);
    unlink(path);
    if (f->n == 0)
        return;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    MUST(fd >= 0 && write(fd, f->bytes, f->n) == (ssize_t)f->n);
    close(fd);
}

struct visit {
    struct oh__location *location;
    bool forged; /* a snapshot that no server writes may name an AOR twice */
    unsigned n;
    struct {
        char aor[64];
        size_t n;
        uint64_t version;
    } last[64];
};

static int see(void *ctx, struct oh_span aor, uint64_t version, struct oh_span record)
{
    struct visit *v = ctx;
    int rc;

    MUST(aor.n > 0);
    for (unsigned i = 0; i < v->n && !v->forged; i++)
        MUST(!oh_span_eq(oh_span(v->last[i].aor, v->last[i].n), aor) ||
             v->last[i].version < version);
    if (v->n < 64 && aor.n <= sizeof v->last[0].aor) {
        memcpy(v->last[v->n].aor, aor.p, aor.n);
        v->last[v->n].n = aor.n;
        v->last[v->n++].version = version;
    }
    rc = oh__location_restore(v->location, aor, version, record, 1000);
    MUST(rc == OH_OK || rc == OH_E_CORRUPT || rc == OH_E_FULL);
    return OH_OK;
}

/* All that was taken can be looked at, written and read again. */
static void look(struct oh__location *location)
{
    struct oh__location_cursor cursor = {0};
    static struct oh__binding_list list;
    struct oh_span aor, record;
    struct oh_arena arena;
    uint64_t version;

    oh_arena_init(&arena, oh_alloc_default(), 4 << 20);
    while (oh__location_next(location, &cursor, &arena, &aor, &version, &list) == OH_OK) {
        MUST(list.n <= OH__BINDINGS_PER_AOR);
        MUST(oh__location_encode(&list, &arena, &record) == OH_OK);
        MUST(oh__location_restore(location, aor, version + 1, record, 1000) == OH_OK ||
             version == UINT64_MAX);
        MUST(oh__location_get(location, aor, 1000, &arena, &list) == OH_OK);
        oh_arena_reset(&arena);
    }
    oh_arena_done(&arena);
    oh__location_sweep(location, UINT64_MAX);
}

/* A state directory with an empty database; made once. */
static const char *state_folder(void)
{
    static bool made;
    struct oh__store_options o = {.dir = fuzz_folder(), .workers = 1, .segment_bytes = 65536};
    char why[OH__STORE_WHY];
    struct oh__store *store;

    if (made)
        return o.dir;
    if (oh__store_open(&o, &store, why) != OH_OK)
        fuzz_fail("no state directory: %s", why);
    oh__store_close(store);
    made = true;
    return o.dir;
}

static void replay_all(const struct file *files)
{
    static const uint8_t key[16] = "key of the table";
    const char *folder = state_folder();
    struct oh__store_options o = {.dir = folder, .read_only = true, .workers = 1};
    struct visit v = {.forged = files[2].n > 0 && files[2].written == 0};
    struct oh__store *store;
    char why[OH__STORE_WHY] = "";
    int rc;

    put_file(folder, "0-1.log", &files[0]);
    put_file(folder, "1-2.log", &files[1]);
    put_file(folder, "snapshot", &files[2]);
    rc = oh__store_open(&o, &store, why);
    if (rc != OH_OK) {
        MUST((rc == OH_E_VERSION || rc == OH_E_CORRUPT) && why[0]);
        return;
    }
    v.location = oh__location_new(oh_alloc_default(), key, 64);
    MUST(v.location);
    rc = oh__store_replay(store, see, &v, why);
    if (rc != OH_OK && (rc != OH_E_VERSION || !why[0]))
        fuzz_fail("not so: a replay ends with %s (%s)", oh_error_name(rc), why);
    look(v.location);
    oh__location_free(v.location);
    oh__store_close(store);
}

static void run(struct oh_span in)
{
    static struct file files[3];
    struct fuzz_bytes b = {in};
    uint8_t which = fuzz_byte(&b);

    memset(files, 0, sizeof files);
    for (unsigned i = 0; i < 3; i++)
        if (which >> i & 1)
            make_file(&files[i], &b, i);
    for (unsigned i = 0; i < 3; i++)
        scan(&files[i]);
    replay_all(files);
}

/* ---- seeds ---- */

/* The bindings of one AOR as the location service writes them. */
static struct oh_span bindings(char *room, size_t cap, unsigned n)
{
    static struct oh__binding_list list;
    size_t size;

    list.n = n;
    for (unsigned i = 0; i < n; i++) {
        struct oh__binding *b = &list.v[i];

        *b = (struct oh__binding){.contact = OH_LIT("sip:bob@192.0.2.11:5060"),
                                  .params = OH_LIT(";+sip.instance=\"<urn:uuid:1>\""),
                                  .call_id = OH_LIT("call-1"),
                                  .user_agent = OH_LIT("phone"),
                                  .path = OH_LIT("<sip:192.0.2.9;lr>"),
                                  .cseq = i + 1,
                                  .q = 500,
                                  .has_q = true,
                                  .reachable = true,
                                  .expires_at = 100000 + i,
                                  .id = i + 1};
        b->flow.transport = i % 2 ? OH_TRANSPORT_TCP : OH_TRANSPORT_UDP;
        b->flow.id = i % 2;
        oh_addr_parse_port(i % 2 ? OH_LIT("[2001:db8::1]:5060") : OH_LIT("192.0.2.1:5060"),
                           &b->flow.local);
        oh_addr_parse_port(OH_LIT("192.0.2.11:5060"), &b->flow.peer);
    }
    size = oh__location_record_size(&list);
    MUST(size > 0 && size <= cap);
    oh__location_record_put(room, &list);
    return oh_span(room, size);
}

/* A segment as bytes, whose sums the harness sets right after each change. */
static void seed_raw(struct fuzz_seeds *to, const char *magic, bool end)
{
    static struct file f;
    char body[2048], seed[FILE_MAX_BYTES];
    struct oh__file_head head = {.sequence = 1, .generation = 1};
    size_t n = 0;

    memset(&f, 0, sizeof f);
    memcpy(head.magic, magic, 8);
    oh__file_head_put(f.bytes, &head);
    f.n = OH__FILE_HEAD;
    for (unsigned i = 0; i < 4; i++) {
        struct oh__record r = {.lsn = i + 1, .version = i + 1, .aor = OH_LIT("bob@example.test")};

        if (end && i == 3)
            r = (struct oh__record){.version = 3};
        else
            r.body = bindings(body, sizeof body, i);
        oh__record_put(f.bytes + f.n, 0, &r);
        f.n += oh__record_size(r.aor, r.body);
    }
    seed[n++] = end ? 4 : 1;
    seed[n++] = end ? 14 : 6;
    seed[n++] = (char)f.n;
    seed[n++] = (char)(f.n >> 8);
    memcpy(seed + n, f.bytes, f.n);
    fuzz_seed(to, oh_span(seed, n + f.n));
}

static void seeds(struct fuzz_seeds *to)
{
    char written[512], body[256];
    struct oh_span one = bindings(body, sizeof body, 1);
    size_t n = 0;

    seed_raw(to, OH__SEGMENT_MAGIC, false);
    seed_raw(to, OH__SNAPSHOT_MAGIC, true);
    written[n++] = 1;
    written[n++] = 1;
    written[n++] = 1; /* two records */
    for (unsigned i = 0; i < 2; i++) {
        written[n++] = (char)one.n;
        memcpy(written + n, one.p, one.n);
        n += one.n;
    }
    for (char how = 0; how < 3; how++) {
        memcpy(written + n, (char[]){1, how, 40, 0, 2, 1, 2}, 7);
        fuzz_seed(to, oh_span(written, n + 7));
    }
}

const struct fuzz_harness fuzz_harness = {"store", FILE_MAX_BYTES + 256, run, seeds, NULL};
