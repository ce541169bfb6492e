/* SPDX-License-Identifier: Apache-2.0
 *
 * One thread that mostly sleeps. It looks at the clock again and again instead of waiting for a
 * moment: small machines set their clock when the network comes up.
 */
#include "worker/renewal.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "int8x/alloc.h"
#include "int8x/log.h"
#include "worker/enroll.h"

#define LOOK_S 60 /* between looks at the clock */
#define RETRY_MAX_S 3600

static int64_t wall_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

struct i8x_renewal {
    char cache[PATH_MAX];
    char worker[I8X_PKI_NAME_MAX + 1];
    i8x_tunnel *tunnel;
    i8x_renewal_denied_cb denied;
    void *user;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stopping; /* under the mutex */
    i8x_pki_life life;
};

static i8x_status renew(i8x_renewal *renewal)
{
    i8x_credential fresh;
    I8X_TRY(i8x_credential_load(renewal->cache, &fresh));
    i8x_status status = i8x_enroll_next(renewal->worker, &fresh);
    if (status == I8X_OK)
        status = i8x_credential_store_pair(renewal->cache, &fresh);
    if (status == I8X_OK) {
        i8x_tls_opts tls = i8x_credential_tls(&fresh);
        status = i8x_tunnel_renew(renewal->tunnel, &tls);
    }
    if (status == I8X_OK)
        renewal->life = fresh.life;
    i8x_wipe(&fresh, sizeof fresh);
    return status;
}

static int64_t due_s(const i8x_renewal *renewal)
{
    return renewal->life.from_s + (renewal->life.until_s - renewal->life.from_s) / 3 * 2;
}

/* Waits; true if the thread is to end. */
static bool sleep_s(i8x_renewal *renewal, int64_t seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(seconds < 1 ? 1 : seconds > LOOK_S ? LOOK_S : seconds);
    pthread_mutex_lock(&renewal->mutex);
    int code = 0;
    while (!renewal->stopping && code == 0)
        code = pthread_cond_timedwait(&renewal->wake, &renewal->mutex, &until);
    bool stopping = renewal->stopping;
    pthread_mutex_unlock(&renewal->mutex);
    return stopping;
}

static void try_renewal(i8x_renewal *renewal, int64_t *next_s)
{
    char quoted[2 * I8X_ERROR_DETAIL_SIZE];
    int64_t left_s = renewal->life.until_s - wall_s();
    i8x_status status = renew(renewal);
    if (status == I8X_OK) {
        i8x_log(I8X_LOG_INFO, "certificate_renewed", "seconds=%lld",
                (long long)(renewal->life.until_s - wall_s()));
        *next_s = due_s(renewal);
        return;
    }
    i8x_log(I8X_LOG_WARN, "certificate_not_renewed", "seconds_left=%lld detail=%s",
            (long long)left_s, i8x_log_quote(i8x_last_error()->detail, quoted, sizeof quoted));
    if (status == I8X_EAUTH || status == I8X_EDENIED)
        renewal->denied(renewal->user, status, i8x_last_error()->detail);
    int64_t pause = left_s / 20;
    *next_s = wall_s() + (pause < 1 ? 1 : pause > RETRY_MAX_S ? RETRY_MAX_S : pause);
}

static void *run(void *user)
{
    i8x_renewal *renewal = user;
    int64_t next_s = due_s(renewal);
    while (!sleep_s(renewal, next_s - wall_s()))
        if (wall_s() >= next_s)
            try_renewal(renewal, &next_s);
    return NULL;
}

i8x_status i8x_renewal_new(const char *cache, const i8x_credential *credential, i8x_tunnel *tunnel,
                           i8x_renewal_denied_cb denied, void *user, i8x_renewal **renewal)
{
    i8x_pki_facts facts;
    I8X_TRY(i8x_pki_look(&credential->cert, &facts));
    i8x_renewal *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    snprintf(made->cache, sizeof made->cache, "%s", cache);
    snprintf(made->worker, sizeof made->worker, "%s", facts.name);
    made->tunnel = tunnel;
    made->denied = denied;
    made->user = user;
    made->life = credential->life;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&made->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&made->thread, NULL, run, made) != 0) {
        pthread_cond_destroy(&made->wake);
        pthread_mutex_destroy(&made->mutex);
        i8x_alloc_free(i8x_alloc_heap(), made, sizeof *made);
        I8X_FAIL(I8X_ENOMEM, "no thread for the certificate's renewal");
    }
    *renewal = made;
    return I8X_OK;
}

void i8x_renewal_free(i8x_renewal *renewal)
{
    if (renewal == NULL)
        return;
    pthread_mutex_lock(&renewal->mutex);
    renewal->stopping = true;
    pthread_cond_signal(&renewal->wake);
    pthread_mutex_unlock(&renewal->mutex);
    pthread_join(renewal->thread, NULL);
    pthread_cond_destroy(&renewal->wake);
    pthread_mutex_destroy(&renewal->mutex);
    i8x_alloc_free(i8x_alloc_heap(), renewal, sizeof *renewal);
}
