/*
 * The hosts file is kept as the text that it is and searched line by line. It
 * is asked for once per look-up that is not cached, has a dozen lines, and a
 * table of it would be more code than this. An operator who changes it expects
 * that to work at once, so once a second its date and size are looked at.
 */
#include "net/hosts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <offhook/alloc.h>
#include <offhook/error.h>

/* A longer file is a block list, not a list of hosts; what is beyond is ignored. */
#define MOST_BYTES ((size_t)1 << 20)

#define CHECK_NS UINT64_C(1000000000)

/* Takes the next word off a line; empty at its end. */
static struct oh_span next_word(struct oh_span *line)
{
    size_t i = 0, from;
    struct oh_span word;

    while (i < line->n && (line->p[i] == ' ' || line->p[i] == '\t' || line->p[i] == '\r'))
        i++;
    from = i;
    while (i < line->n && line->p[i] != ' ' && line->p[i] != '\t' && line->p[i] != '\r')
        i++;
    *line = oh_span_from(*line, from);
    word = oh_span_head(*line, i - from);
    *line = oh_span_from(*line, i - from);
    return word;
}

/* Takes the next line off the text, without what stands behind '#'. */
static struct oh_span next_line(struct oh_span *text)
{
    ptrdiff_t end = oh_span_find(*text, '\n');
    struct oh_span line = oh_span_head(*text, end < 0 ? text->n : (size_t)end);
    ptrdiff_t comment = oh_span_find(line, '#');

    *text = oh_span_from(*text, end < 0 ? text->n : (size_t)end + 1);
    return comment < 0 ? line : oh_span_head(line, (size_t)comment);
}

static bool line_has(struct oh_span rest, struct oh_span name)
{
    struct oh_span word;

    while ((word = next_word(&rest)).n > 0) {
        if (oh_span_ieq(word, name))
            return true;
    }
    return false;
}

unsigned oh__hosts_find(struct oh_span text, struct oh_span name, struct oh_addr *out, unsigned max)
{
    unsigned n = 0;

    while (text.n > 0 && n < max) {
        struct oh_span line = next_line(&text);
        struct oh_span literal = next_word(&line);
        struct oh_addr addr;
        bool is_new = true;

        if (!line_has(line, name) || oh_addr_parse(literal, &addr) != OH_OK)
            continue;
        for (unsigned i = 0; i < n; i++)
            is_new = is_new && !oh_addr_eq(&out[i], &addr);
        if (is_new)
            out[n++] = addr;
    }
    return n;
}

void oh__hosts_done(struct oh__hosts *hosts)
{
    oh_free(oh_alloc_default(), hosts->text, hosts->n);
    *hosts = (struct oh__hosts){0};
}

/* Reads at most size bytes of the file. */
static void load(struct oh__hosts *h, int fd, size_t size)
{
    size_t n = 0;

    h->text = oh_alloc(oh_alloc_default(), size);
    if (!h->text)
        return;
    h->n = size;
    while (n < size) {
        ssize_t got = read(fd, h->text + n, size - n);

        if (got <= 0)
            break;
        n += (size_t)got;
    }
    /* A file that has shrunk meanwhile ends in lines without a meaning. */
    memset(h->text + n, '\n', size - n);
}

void oh__hosts_refresh(struct oh__hosts *hosts, const char *path, uint64_t now)
{
    struct stat st;
    uint64_t stamp;
    int fd;

    /* A flood of look-ups must not become a flood of system calls. */
    if (hosts->checked_at && now - hosts->checked_at < CHECK_NS)
        return;
    hosts->checked_at = now;
    /* Not blocking: the path could lead to a pipe, and a worker must never wait. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        oh__hosts_done(hosts);
    } else {
        stamp = (uint64_t)st.st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)st.st_mtim.tv_nsec;
        stamp ^= (uint64_t)st.st_size << 40 ^ (uint64_t)st.st_ino << 20;
        if (stamp != hosts->stamp || !hosts->text) {
            oh__hosts_done(hosts);
            load(hosts, fd, (size_t)st.st_size < MOST_BYTES ? (size_t)st.st_size : MOST_BYTES);
            hosts->stamp = stamp;
        }
        hosts->checked_at = now;
    }
    if (fd >= 0)
        close(fd);
}
