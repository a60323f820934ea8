/* The file of names that the administrator keeps by hand (/etc/hosts). */
#ifndef OH_NET_HOSTS_H
#define OH_NET_HOSTS_H

#include <offhook/addr.h>

/* The contents of the file, read again when it has changed. */
struct oh__hosts {
    char *text;
    size_t n;            /* bytes */
    uint64_t stamp;      /* of the file that was read: time, size and inode */
    uint64_t checked_at; /* ns */
};

/* The addresses of a name in a hosts file's text, without regard to case; returns how many (at most
 * max). */
unsigned oh__hosts_find(struct oh_span text, struct oh_span name, struct oh_addr *out,
                        unsigned max);

/* Reads the file if it has changed; looks at most once a second. A file that cannot be read is an
 * empty one. */
void oh__hosts_refresh(struct oh__hosts *hosts, const char *path, uint64_t now);

/* Gives the contents back. */
void oh__hosts_done(struct oh__hosts *hosts);

#endif
