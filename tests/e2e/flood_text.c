#include "flood.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* splitmix64, seeded by the clock: two runs never send the same Call-IDs. */
uint64_t random_u64(void)
{
    static uint64_t state;
    uint64_t z;

    if (!state)
        state = clock_ns() ^ (uint64_t)getpid() << 40;
    z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

struct piece header_of(const char *message, const char *name, unsigned k)
{
    size_t n = strlen(name);

    for (const char *line = message; line && strncmp(line, "\r\n", 2) != 0;) {
        const char *end = strstr(line, "\r\n");

        if (!end)
            break;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':' && k-- == 0) {
            for (line += n + 1; *line == ' '; line++)
                ;
            return (struct piece){line, (size_t)(end - line)};
        }
        line = end + 2;
    }
    return (struct piece){NULL, 0};
}

struct piece param_of(struct piece value, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i + n + 1 < value.n; i++) {
        const char *p = value.p + i;
        size_t len = 0;

        if (strncasecmp(p, name, n) != 0 || p[n] != '=' ||
            (i > 0 && !strchr(" ,;", value.p[i - 1])))
            continue;
        p += n + 1;
        if (*p == '"')
            p++;
        while (p + len < value.p + value.n && !strchr("\",;> ", p[len]))
            len++;
        return (struct piece){p, len};
    }
    return (struct piece){NULL, 0};
}

unsigned status_of(const char *message)
{
    return strncmp(message, "SIP/2.0 ", 8) == 0 ? (unsigned)strtoul(message + 8, NULL, 10) : 0;
}

void copy_piece(struct piece from, char *to, size_t cap)
{
    size_t n = from.n < cap ? from.n : cap - 1;

    if (n)
        memcpy(to, from.p, n);
    to[n] = '\0';
}

bool login_challenge(struct login *l, const char *message)
{
    unsigned status = status_of(message);
    struct piece value = header_of(message,
                                   status == 407 ? "Proxy-Authenticate" : "WWW-Authenticate", 0);

    if ((status != 401 && status != 407) || !value.p)
        return false;
    copy_piece(param_of(value, "realm"), l->realm, sizeof l->realm);
    copy_piece(param_of(value, "nonce"), l->nonce, sizeof l->nonce);
    l->nc = 0;
    return true;
}

static void md5_hex(const char *text, char out[33])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    EVP_Digest(text, strlen(text), raw, &n, EVP_md5(), NULL);
    for (unsigned i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", raw[i]);
}

size_t login_row(struct login *l, bool proxy, const char *method, const char *uri, bool is_right,
                 char *out, size_t cap)
{
    char text[512], ha1[33], ha2[33], response[33] = "00000000000000000000000000000000";

    l->nc++;
    if (is_right) {
        snprintf(text, sizeof text, "%s:%s:%s", l->user, l->realm, l->password);
        md5_hex(text, ha1);
        snprintf(text, sizeof text, "%s:%s", method, uri);
        md5_hex(text, ha2);
        snprintf(text, sizeof text, "%s:%s:%08x:cnonce:auth:%s", ha1, l->nonce, l->nc, ha2);
        md5_hex(text, response);
    }
    return (size_t)snprintf(out, cap,
                            "%sAuthorization: Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", "
                            "uri=\"%s\", response=\"%s\", algorithm=MD5, cnonce=\"cnonce\", "
                            "qop=auth, nc=%08x\r\n",
                            proxy ? "Proxy-" : "", l->user, l->realm, l->nonce, uri, response,
                            l->nc);
}

/* 127.1.0.1 and on; 127.0.0.1 is left to the server and its friends. */
static struct sockaddr_in source_addr(unsigned n)
{
    if (n == SOURCE_TRUSTED)
        return (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint32_t ip = (UINT32_C(127) << 24) + (UINT32_C(1) << 16) + (n / 250 << 8) + n % 250 + 1;

    return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip)};
}

int source_socket(unsigned n, uint16_t port)
{
    struct sockaddr_in from = source_addr(n);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    from.sin_port = htons(port);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&from, sizeof from) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int source_connect(unsigned n, const struct sockaddr_in *to, int receive_buffer)
{
    struct sockaddr_in from = source_addr(n);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (receive_buffer)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (const struct sockaddr *)to, sizeof *to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

unsigned long pss_of(int pid)
{
    char path[64], line[256];
    unsigned long kib = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "Pss:", 4) == 0)
            kib = strtoul(line + 4, NULL, 10);
    }
    if (f)
        fclose(f);
    return kib;
}
