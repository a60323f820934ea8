/* Registering, for those strangers who have an account. */
#include "flood.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define MESSAGE_MAX 16384

/* Sends a request until its final answer is there; false when none comes. */
static bool ask(const struct options *o, int fd, const char *text, size_t n, char *reply)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    for (int i = 0; i < 5; i++) {
        sendto(fd, text, n, 0, (const struct sockaddr *)&o->to, sizeof o->to);
        while (poll(&p, 1, 500) > 0) {
            ssize_t got = recv(fd, reply, MESSAGE_MAX, MSG_DONTWAIT);

            if (got <= 0)
                continue;
            reply[got] = '\0';
            if (status_of(reply) >= 200)
                return true;
        }
    }
    return false;
}

/* The address that a socket sends from. */
static void put_here(int fd, char *out, size_t cap)
{
    struct sockaddr_in here;
    socklen_t len = sizeof here;
    unsigned char ip[4];

    getsockname(fd, (struct sockaddr *)&here, &len);
    memcpy(ip, &here.sin_addr, 4);
    snprintf(out, cap, "%u.%u.%u.%u:%u", ip[0], ip[1], ip[2], ip[3], ntohs(here.sin_port));
}

/* Writes a REGISTER with these rows. Its Via is true, so the server takes the Contact's word for
 * where the phone is. */
static size_t write_register(const struct options *o, int fd, const char *rows, char *out)
{
    unsigned long long id = random_u64();
    char here[64];

    put_here(fd, here, sizeof here);
    return (size_t)snprintf(out, MESSAGE_MAX,
                            "REGISTER sip:%s SIP/2.0\r\n"
                            "Via: SIP/2.0/UDP %s;rport;branch=z9hG4bK%llx\r\n"
                            "Max-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=1\r\n"
                            "To: <sip:%s@%s>\r\nCall-ID: %llx\r\nCSeq: 1 REGISTER\r\n%s"
                            "Content-Length: 0\r\n\r\n",
                            o->host, here, id, o->user, o->host, o->user, o->host, id >> 8, rows);
}

bool login_begin(const struct options *o, int fd, struct login *l)
{
    char text[MESSAGE_MAX], reply[MESSAGE_MAX + 1];
    size_t n = write_register(o, fd, "", text);

    snprintf(l->user, sizeof l->user, "%s", o->user);
    snprintf(l->password, sizeof l->password, "%s", o->password);
    l->nonce[0] = '\0';
    return ask(o, fd, text, n, reply) && (login_challenge(l, reply) || status_of(reply) == 200);
}

/* Writes the contacts: this socket's own address, or the numbered ones. */
static size_t put_contacts(const struct options *o, int fd, char *out, size_t cap)
{
    char here[64];
    size_t n = 0;

    put_here(fd, here, sizeof here);
    if (!o->contact)
        return (size_t)snprintf(out, cap, "Contact: <sip:%s@%s>\r\n", o->user, here);
    for (unsigned i = 0; i < o->connections && n + 256 < cap; i++)
        n += (size_t)snprintf(out + n, cap - n, "Contact: <%s%u>\r\n", o->contact, i);
    return n;
}

bool login_bind(const struct options *o, int fd, struct login *l)
{
    char text[MESSAGE_MAX], reply[MESSAGE_MAX + 1], rows[8192] = "", uri[128];
    size_t n = put_contacts(o, fd, rows, sizeof rows);

    snprintf(uri, sizeof uri, "sip:%s", o->host);
    if (l->nonce[0])
        login_row(l, false, "REGISTER", uri, true, rows + n, sizeof rows - n);
    n = write_register(o, fd, rows, text);
    if (!ask(o, fd, text, n, reply) || status_of(reply) != 200) {
        fprintf(stderr, "flood: REGISTER of %s: %.40s\n", o->user, reply);
        return false;
    }
    return true;
}

int flood_bind(const struct options *o)
{
    struct login l;
    int fd = source_socket(o->contact ? SOURCE_TRUSTED : o->source_first, 0);

    return fd >= 0 && login_begin(o, fd, &l) && login_bind(o, fd, &l) ? 0 : 1;
}
