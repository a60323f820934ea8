/*
 * flood KIND --to ADDRESS:PORT [--seconds N] [--rate N] [--sources N] [--first N]
 *            [--connections N] [--user U --password P] [--victim V] [--watch PID]
 *            [--contact PREFIX]
 *
 * Sends what nobody wants, from addresses of 127/8 that nobody else uses, for a
 * bounded time; or is the phones that suffer from it (KIND phones). It refuses
 * to send anywhere but to this machine.
 */
#include "flood.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool take_address(const char *text, struct options *o)
{
    const char *colon = strchr(text, ':');
    char host[32];

    if (!colon || (size_t)(colon - text) >= sizeof host)
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    o->to.sin_family = AF_INET;
    o->to.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    snprintf(o->host, sizeof o->host, "%s", text);
    return inet_pton(AF_INET, host, &o->to.sin_addr) == 1 &&
           ntohl(o->to.sin_addr.s_addr) >> 24 == 127;
}

static bool take_option(const char *name, const char *value, struct options *o)
{
    const struct {
        const char *name;
        unsigned *number;
    } numbers[] = {{"--seconds", &o->seconds},
                   {"--sources", &o->sources},
                   {"--first", &o->source_first},
                   {"--connections", &o->connections}};
    const struct {
        const char *name;
        const char **text;
    } texts[] = {{"--user", &o->user},
                 {"--password", &o->password},
                 {"--victim", &o->victim},
                 {"--contact", &o->contact}};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].number = (unsigned)strtoul(value, NULL, 10);
            return true;
        }
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].text = value;
            return true;
        }
    }
    if (strcmp(name, "--rate") == 0)
        o->rate = strtoull(value, NULL, 10);
    else if (strcmp(name, "--watch") == 0)
        o->watch = (int)strtol(value, NULL, 10);
    else
        return strcmp(name, "--to") == 0 && take_address(value, o);
    return true;
}

int main(int argc, char **argv)
{
    struct options o = {.seconds = 3,
                        .sources = 1,
                        .connections = 1000,
                        .user = "nobody",
                        .password = "none",
                        .victim = "102"};
    int status;

    o.kind = argc > 1 ? argv[1] : "";
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc || !take_option(argv[i], argv[i + 1], &o)) {
            fprintf(stderr, "flood: %s: no such option, or no value for it\n", argv[i]);
            return 2;
        }
    }
    if (!o.to.sin_port || o.sources == 0 || o.sources > SOURCES_MAX) {
        fprintf(stderr, "flood: --to 127.x.y.z:port is needed, and 1 to %d sources\n", SOURCES_MAX);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(o.kind, "phones") == 0)
        return flood_phones(&o);
    if (strcmp(o.kind, "bind") == 0)
        return flood_bind(&o);
    status = flood_udp(&o);
    if (status == 2)
        status = flood_tcp(&o);
    if (status == 2)
        fprintf(stderr, "flood: there is no kind '%s'\n", o.kind);
    return status;
}
