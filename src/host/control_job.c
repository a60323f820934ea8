/*
 * A job is one thread for one command. It and the control thread share nothing
 * but what is set before it starts and read after it has ended: the request,
 * the reply, and an eventfd that says so. What a command touches of the host is
 * safe beside the control thread because that refuses commands of the kind
 * OH__CONTROL_CHANGE meanwhile (the hasher, the generator of random numbers and
 * the control thread's journal have one user at a time).
 */
#include "host/control_job.h"

#include <sys/eventfd.h>
#include <unistd.h>

struct oh__control_job {
    int done; /* eventfd */
    bool running;
    pthread_t thread;
    struct oh__host *host;
    const struct oh__control_command *command;
    json_t *request, *reply;
};

int oh__control_job_new(struct oh__control_job **out)
{
    struct oh__control_job *job = oh_alloc_zero(oh_alloc_default(), 1, sizeof *job);

    if (!job)
        return OH_E_NOMEM;
    job->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (job->done < 0) {
        oh_free(oh_alloc_default(), job, sizeof *job);
        return OH_E_IO;
    }
    *out = job;
    return OH_OK;
}

void oh__control_job_free(struct oh__control_job *job)
{
    if (!job)
        return;
    if (job->running) {
        pthread_join(job->thread, NULL);
        json_decref(job->request);
        json_decref(job->reply);
    }
    close(job->done);
    oh_free(oh_alloc_default(), job, sizeof *job);
}

int oh__control_job_fd(const struct oh__control_job *job)
{
    return job->done;
}

const char *oh__control_job_running(const struct oh__control_job *job)
{
    return job->running ? job->command->name : NULL;
}

static void *run(void *arg)
{
    struct oh__control_job *job = arg;
    uint64_t one = 1;

    job->reply = job->command->run(job->host, job->request);
    /* The counter of an eventfd is never full with one writer and one job. */
    return write(job->done, &one, sizeof one) == (ssize_t)sizeof one ? NULL : job;
}

int oh__control_job_start(struct oh__control_job *job, struct oh__host *host,
                          const struct oh__control_command *command, json_t *request)
{
    if (job->running)
        return OH_E_BUSY;
    job->host = host;
    job->command = command;
    job->request = json_incref(request);
    job->reply = NULL;
    job->running = pthread_create(&job->thread, NULL, run, job) == 0;
    if (job->running)
        return OH_OK;
    json_decref(job->request);
    return OH_E_NOMEM;
}

bool oh__control_job_take(struct oh__control_job *job, json_t **reply)
{
    uint64_t n;

    if (!job->running || read(job->done, &n, sizeof n) != (ssize_t)sizeof n)
        return false;
    pthread_join(job->thread, NULL);
    job->running = false;
    json_decref(job->request);
    *reply = job->reply;
    return true;
}
