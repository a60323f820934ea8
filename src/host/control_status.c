/*
 * Counters of every layer, read once. A shard is locked only while its
 * counters are copied; nobody else waits for longer than that.
 */
#include <unistd.h>

#include "host/control_topics.h"

static void set(json_t *o, const char *key, uint64_t value)
{
    json_object_set_new(o, key, json_integer((json_int_t)value));
}

/* What the shards of a process have counted together. */
struct sums {
    struct oh__serve_stats serve;
    uint64_t in_flight, completed, bytes, contexts;
};

static void add_shard(struct sums *sums, const struct oh__serve_stats *s)
{
    struct oh_endpoint_stats *sum = &sums->serve.endpoint;
    const struct oh_endpoint_stats *e = &s->endpoint;

#define ADD(name) sums->serve.name += s->name;
    OH__SERVE_COUNTERS(ADD)
#undef ADD
    sum->rx_requests += e->rx_requests;
    sum->rx_responses += e->rx_responses;
    sum->rx_retransmissions += e->rx_retransmissions;
    sum->rx_bad += e->rx_bad;
    sum->rx_stray_responses += e->rx_stray_responses;
    sum->rx_stray_acks += e->rx_stray_acks;
    sum->rx_ignored += e->rx_ignored;
    sum->tx_messages += e->tx_messages;
    sum->tx_retransmissions += e->tx_retransmissions;
    sum->tx_stateless += e->tx_stateless;
    sum->completed_evicted += e->completed_evicted;
    sum->refused_full += e->refused_full;
    sum->timeouts += e->timeouts;
    sum->transport_errors += e->transport_errors;
    sums->in_flight += e->in_flight;
    sums->completed += e->completed;
    sums->bytes += e->bytes;
    sums->contexts += s->contexts;
}

/* Takes the locks that workers run under: one at a time, for the length of a copy. */
static void read_shards(struct oh__host *host, struct sums *sums)
{
    struct oh__serve_stats stats;

    /* One after the other: the sums need not be of one moment, only of one second. */
    for (unsigned i = 0; i < OH__SHARDS; i++) {
        pthread_mutex_lock(&host->shards[i].lock);
        oh__serve_stats(host->shards[i].serve, &stats);
        pthread_mutex_unlock(&host->shards[i].lock);
        add_shard(sums, &stats);
    }
}

static json_t *json_counters(const struct sums *sums)
{
    const struct oh_endpoint_stats *e = &sums->serve.endpoint;
    json_t *o = json_object();

#define PUT(name) set(o, #name, sums->serve.name);
    OH__SERVE_COUNTERS(PUT)
#undef PUT
    set(o, "rx_requests", e->rx_requests);
    set(o, "rx_responses", e->rx_responses);
    set(o, "rx_retransmissions", e->rx_retransmissions);
    set(o, "rx_bad", e->rx_bad);
    set(o, "rx_stray_responses", e->rx_stray_responses);
    set(o, "rx_stray_acks", e->rx_stray_acks);
    set(o, "rx_ignored", e->rx_ignored);
    set(o, "tx_messages", e->tx_messages);
    set(o, "tx_retransmissions", e->tx_retransmissions);
    set(o, "tx_stateless", e->tx_stateless);
    set(o, "completed_evicted", e->completed_evicted);
    set(o, "refused_full", e->refused_full);
    set(o, "timeouts", e->timeouts);
    set(o, "transport_errors", e->transport_errors);
    return o;
}

static json_t *json_net(const struct oh__net_stats *s)
{
    json_t *o = json_object();

    set(o, "rx_datagrams", s->rx_datagrams);
    set(o, "rx_bytes", s->rx_bytes);
    set(o, "tx_datagrams", s->tx_datagrams);
    set(o, "tx_bytes", s->tx_bytes);
    set(o, "rx_stream_messages", s->rx_stream_messages);
    set(o, "tx_stream_messages", s->tx_stream_messages);
    set(o, "kernel_drops", s->kernel_drops);
    set(o, "send_errors", s->send_errors);
    set(o, "connections", s->connections);
    set(o, "connections_opened", s->connections_opened);
    set(o, "connections_accepted", s->connections_accepted);
    set(o, "connections_refused_limit", s->connections_refused_limit);
    set(o, "connections_refused_source", s->connections_refused_source);
    set(o, "slow_peers_closed", s->slow_peers_closed);
    set(o, "idle_closed", s->idle_closed);
    set(o, "framing_closed", s->framing_closed);
    set(o, "dns_queries", s->dns_queries);
    set(o, "dns_timeouts", s->dns_timeouts);
    set(o, "dns_cache_hits", s->dns_cache_hits);
    return o;
}

static json_t *json_workers(struct oh__host *host)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < host->workers_n; i++) {
        struct oh__worker *w = &host->workers[i];
        struct oh__net_stats net;
        json_t *o = json_object();

        oh__net_stats(w->net, &net);
        set(o, "worker", i);
        set(o, "rx_messages", w->rx_messages);
        set(o, "rx_bad", w->rx_bad);
        set(o, "rx_stray", w->rx_stray);
        set(o, "rx_shed", w->rx_shed);
        set(o, "commit_failures", w->commit_failures);
        json_object_set_new(o, "net", json_net(&net));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *json_listeners(const struct oh__settings *settings)
{
    json_t *list = json_array();
    char text[OH_ADDR_TEXT_MAX + 16];

    for (unsigned i = 0; i < settings->listeners_n; i++) {
        struct oh_span transport = oh_transport_param(settings->listeners[i].transport);
        size_t n = transport.n < 8 ? transport.n : 8;

        memcpy(text, transport.p, n);
        text[n++] = ':';
        n += oh_addr_text(&settings->listeners[i].addr, text + n);
        json_array_append_new(list, json_stringn(text, n));
    }
    return list;
}

static void put_gauges(struct oh__host *host, const struct sums *sums, json_t *reply)
{
    struct oh__location_stats location;

    oh__location_stats(host->shared.location, &location);
    set(reply, "accounts", oh__accounts_count(host->shared.accounts));
    set(reply, "aors", location.aors);
    set(reply, "bindings", location.bindings);
    set(reply, "binding_bytes", location.bytes);
    set(reply, "transactions_in_flight", sums->in_flight);
    set(reply, "transactions_completed", sums->completed);
    set(reply, "transaction_bytes", sums->bytes);
    set(reply, "requests_in_progress", sums->contexts);
    set(reply, "log_dropped", oh__log_dropped(host->log));
}

json_t *oh__control_status(struct oh__host *host, const json_t *request)
{
    struct sums *sums = oh_alloc_zero(oh_alloc_default(), 1, sizeof *sums);
    json_t *reply = oh__control_ping(host, request);
    const struct oh__config *config;
    struct oh__store_trouble trouble;
    uint64_t now = oh__clock_now();

    if (!sums) {
        json_decref(reply);
        return oh__control_error(9, "memory is short");
    }
    read_shards(host, sums);
    config = oh__host_config(host);
    const char *file = oh__config_path(config);
    const char *warning = oh__net_warning(host->net);

    set(reply, "now_ns", now);
    set(reply, "uptime_s", (now - host->started) / 1000000000);
    set(reply, "started_ms", host->started_wall);
    json_object_set_new(reply, "file", file ? oh__json_text(oh_span_str(file)) : json_null());
    json_object_set_new(reply, "state",
                        oh__json_text(oh_span_str(oh__config_process(config)->state)));
    set(reply, "config_version", oh__config_settings(config)->version);
    json_object_set_new(reply, "no_auth", json_boolean(oh__config_settings(config)->no_auth));
    json_object_set_new(reply, "listeners", json_listeners(oh__config_settings(config)));
    json_object_set_new(reply, "warning",
                        warning ? oh__json_text(oh_span_str(warning)) : json_null());
    oh__store_trouble(host->store, &trouble);
    json_object_set_new(reply, "store_trouble",
                        trouble.code ? oh__json_text(oh_span_str(trouble.why)) : json_null());
    put_gauges(host, sums, reply);
    json_object_set_new(reply, "counters", json_counters(sums));
    json_object_set_new(reply, "workers", json_workers(host));
    oh__config_unref(config);
    oh_free(oh_alloc_default(), sums, sizeof *sums);
    return reply;
}
