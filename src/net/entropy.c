#include "net/system.h"

#include <errno.h>
#include <sys/random.h>

/*
 * getrandom waits until the kernel's generator has been seeded once after
 * boot, and needs no file descriptor, so neither a full descriptor table nor a
 * chroot without /dev can take the entropy away.
 */
int oh__entropy(void *out, size_t n)
{
    char *p = out;

    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);

        if (got < 0) {
            if (errno == EINTR)
                continue;
            return OH_E_IO;
        }
        p += got;
        n -= (size_t)got;
    }
    return OH_OK;
}
