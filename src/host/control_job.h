/*
 * The one command that takes its time: a backup or a restore of a large state
 * may last for minutes, and meanwhile an operator wants to see how his server
 * is doing. It runs in a thread of its own; the control thread refuses what
 * would touch the same things, and answers everything else.
 */
#ifndef OH_HOST_CONTROL_JOB_H
#define OH_HOST_CONTROL_JOB_H

#include "host/control_commands.h"

struct oh__control_job;

/* Makes a place for jobs; its descriptor becomes readable when one has ended. OH_OK, OH_E_NOMEM or
 * OH_E_IO. */
int oh__control_job_new(struct oh__control_job **out);

/* Waits for the job that runs, if one does, and ends. NULL is ignored. */
void oh__control_job_free(struct oh__control_job *job);

/* To be watched for reading. */
int oh__control_job_fd(const struct oh__control_job *job);

/* The name of the command that runs, or NULL. */
const char *oh__control_job_running(const struct oh__control_job *job);

/*
 * Starts a command. OH_OK: the job holds a reference to the request until its end. OH_E_BUSY when
 * one runs, OH_E_NOMEM when no thread is to be had.
 */
int oh__control_job_start(struct oh__control_job *job, struct oh__host *host,
                          const struct oh__control_command *command, json_t *request);

/* True when a job has ended: its reply is the caller's, and NULL when memory was too short for it.
 */
bool oh__control_job_take(struct oh__control_job *job, json_t **reply);

#endif
