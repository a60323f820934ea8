/*
 * CPU time comes from schedstat, which counts nanoseconds; utime and stime of stat are in
 * hundredths of a second and stand in where the kernel has no schedstat. A server of several
 * processes (Kamailio) is followed through the children of each of its threads.
 */
#include "probe.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH 8 /* of a tree of processes */

/* The number behind a word of a line; 0 when it is not there. */
static uint64_t number_behind(const char *line, const char *word)
{
    const char *at = strstr(line, word);

    return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

/* The n-th field of a line, counted from 0, as a number in a base. */
static uint64_t field(const char *line, unsigned n, int base)
{
    while (n--) {
        line += strspn(line, " ");
        line += strcspn(line, " ");
    }
    return strtoull(line, NULL, base);
}

/* Reads the first line of a file of /proc; false when it cannot. */
static bool first_line(const char *path, char *line, int size)
{
    FILE *f = fopen(path, "r");
    bool ok = f && fgets(line, size, f) != NULL;

    if (f)
        fclose(f);
    return ok;
}

/* CPU time of one thread. */
static uint64_t thread_cpu(int pid, const char *tid)
{
    char path[320], line[1024];
    const char *behind;

    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, tid);
    if (first_line(path, line, sizeof line))
        return field(line, 0, 10);
    snprintf(path, sizeof path, "/proc/%d/task/%s/stat", pid, tid);
    if (!first_line(path, line, sizeof line) || !(behind = strrchr(line, ')')))
        return 0;
    /* Behind the name come the state and 10 fields, then utime and stime. */
    return (field(behind + 1, 11, 10) + field(behind + 1, 12, 10)) *
           (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
}

static uint64_t process_pss(int pid)
{
    char path[64], line[256];
    uint64_t kib = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "Pss:", 4) == 0)
            kib = number_behind(line, "Pss:");
    if (f)
        fclose(f);
    return kib;
}

static void add_tree(struct probe *out, int pid, unsigned depth);

/* The processes that one thread has started. */
static void add_children(struct probe *out, int pid, const char *tid, unsigned depth)
{
    char path[320], line[4096], *at = line, *end;

    snprintf(path, sizeof path, "/proc/%d/task/%s/children", pid, tid);
    if (!depth || !first_line(path, line, sizeof line))
        return;
    for (;;) {
        long child = strtol(at, &end, 10);

        if (end == at)
            return;
        add_tree(out, (int)child, depth - 1);
        at = end;
    }
}

static void add_tree(struct probe *out, int pid, unsigned depth)
{
    char path[64];
    struct dirent *entry;
    DIR *tasks;

    snprintf(path, sizeof path, "/proc/%d/task", pid);
    tasks = opendir(path);
    if (!tasks)
        return;
    while ((entry = readdir(tasks))) {
        if (entry->d_name[0] == '.')
            continue;
        out->cpu_ns += thread_cpu(pid, entry->d_name);
        out->tasks++;
        add_children(out, pid, entry->d_name, depth);
    }
    closedir(tasks);
    out->pss_kib += process_pss(pid);
}

/* Drops of the sockets bound to a port: the last field of their lines in /proc/net/udp. */
static uint64_t socket_drops(const char *path, uint16_t port)
{
    char line[512], wanted[8];
    uint64_t drops = 0;
    FILE *f = fopen(path, "r");

    snprintf(wanted, sizeof wanted, ":%04X ", port);
    while (f && fgets(line, sizeof line, f)) {
        const char *local = strchr(line, ':'); /* "sl: address:port peer:port ..." */

        local = local ? strchr(local + 1, ':') : NULL;
        if (local && strncmp(local, wanted, strlen(wanted)) == 0)
            drops += field(line, 12, 10);
    }
    if (f)
        fclose(f);
    return drops;
}

/* RcvbufErrors: the fifth number of the second line that begins with "Udp:". */
static uint64_t snmp_drops(void)
{
    char line[512];
    unsigned seen = 0;
    uint64_t drops = 0;
    FILE *f = fopen("/proc/net/snmp", "r");

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "Udp: ", 5) == 0 && ++seen == 2)
            drops = field(line, 5, 10);
    if (f)
        fclose(f);
    return drops;
}

/* Time of all cores that was not idle: every field of the line "cpu" but idle and iowait. */
static uint64_t busy(void)
{
    char line[512];
    uint64_t ticks = 0;

    if (!first_line("/proc/stat", line, sizeof line))
        return 0;
    for (unsigned i = 1; i <= 8; i++)
        if (i != 4 && i != 5)
            ticks += field(line, i, 10);
    return ticks * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
}

struct probe probe_read(const int *pids, unsigned n, uint16_t port)
{
    struct probe p = {0};

    for (unsigned i = 0; i < n; i++)
        add_tree(&p, pids[i], DEPTH);
    p.socket_drops = socket_drops("/proc/net/udp", port) + socket_drops("/proc/net/udp6", port);
    p.snmp_drops = snmp_drops();
    p.busy_ns = busy();
    return p;
}
