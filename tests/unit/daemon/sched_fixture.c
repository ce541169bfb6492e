/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/daemon/sched_fixture.h"

i8x_sched *fx_sched;
int64_t fx_now;

void fx_setup(void)
{
    fx_setup_audits(0);
}

void fx_setup_audits(int per_mille)
{
    i8x_sched_opts opts = {.lease_life_ms = FX_LIFE_MS,
                           .backoff_first_ms = 500,
                           .backoff_max_ms = 60000,
                           .attempts_max = 5,
                           .workers_max = 3,
                           .lost_max = 4,
                           .first_epoch = 100,
                           .seed = 7,
                           .audit_per_mille = per_mille,
                           .audit_wait_ms = FX_AUDIT_WAIT_MS};
    fx_now = 1000;
    ck_assert_ok(i8x_sched_new(&opts, &fx_sched));
}

void fx_teardown(void)
{
    i8x_sched_free(fx_sched);
}

/* Keys are hashed once: histories ask for them millions of times. */
i8x_digest fx_key_of(int n)
{
    static i8x_digest keys[FX_KEYS_MAX];
    static bool made[FX_KEYS_MAX];
    ck_require(n >= 0 && n < FX_KEYS_MAX, "key %d", n);
    if (!made[n]) {
        keys[n] = i8x_digest_of(&n, sizeof n);
        made[n] = true;
    }
    return keys[n];
}

size_t fx_step(i8x_sched_event event)
{
    size_t count;
    i8x_sched_step(fx_sched, &event, fx_now);
    i8x_sched_actions(fx_sched, &count);
    return count;
}

const i8x_sched_action *fx_action(size_t index)
{
    size_t count;
    const i8x_sched_action *actions = i8x_sched_actions(fx_sched, &count);
    ck_assert_uint_lt(index, count);
    return &actions[index];
}

const i8x_sched_action *fx_find(i8x_sched_action_type type)
{
    size_t count;
    const i8x_sched_action *actions = i8x_sched_actions(fx_sched, &count);
    for (size_t i = 0; i < count; i++)
        if (actions[i].type == type)
            return &actions[i];
    return NULL;
}

size_t fx_count(i8x_sched_action_type type)
{
    size_t count, found = 0;
    const i8x_sched_action *actions = i8x_sched_actions(fx_sched, &count);
    for (size_t i = 0; i < count; i++)
        found += actions[i].type == type;
    return found;
}

void fx_add_task(int n)
{
    fx_step((i8x_sched_event){.type = I8X_SCHED_TASK_ADD,
                              .key = fx_key_of(n),
                              .kind = I8X_TASK_CALIBRATE,
                              .order = (uint64_t)n});
}

static void join(uint64_t worker, uint32_t kinds, uint32_t slots)
{
    fx_step((i8x_sched_event){
        .type = I8X_SCHED_WORKER_JOIN, .worker = worker, .kinds = kinds, .slots = slots});
}

void fx_join(uint64_t worker, uint32_t kinds)
{
    join(worker, kinds, FX_SLOTS);
}

void fx_join_slots(uint64_t worker, uint32_t slots)
{
    join(worker, FX_ALL_KINDS, slots);
}

void fx_join_machine(uint64_t worker, uint64_t host, uint64_t machine)
{
    fx_step((i8x_sched_event){.type = I8X_SCHED_WORKER_JOIN,
                              .worker = worker,
                              .kinds = FX_ALL_KINDS,
                              .slots = FX_SLOTS,
                              .host = host,
                              .machine = machine});
}

void fx_ask(uint64_t worker, uint64_t ticket, uint32_t want, int64_t wait_ms)
{
    fx_step((i8x_sched_event){.type = I8X_SCHED_ASK,
                              .worker = worker,
                              .ticket = ticket,
                              .want = want,
                              .until_ms = fx_now + wait_ms});
}

uint64_t fx_lease(uint64_t worker, int n)
{
    fx_ask(worker, 77, 1, 0);
    const i8x_sched_action *grant = fx_find(I8X_SCHED_DO_GRANT);
    ck_assert_ptr_nonnull(grant);
    i8x_digest key = fx_key_of(n);
    ck_assert(i8x_digest_equal(&grant->key, &key));
    return grant->epoch;
}

void fx_fail_task(uint64_t worker, int n, uint64_t epoch, i8x_sched_fault fault)
{
    fx_step((i8x_sched_event){.type = I8X_SCHED_FAIL,
                              .worker = worker,
                              .key = fx_key_of(n),
                              .epoch = epoch,
                              .fault = fault});
}

void fx_result(uint64_t worker, int n, uint64_t epoch, int value)
{
    fx_step((i8x_sched_event){.type = I8X_SCHED_RESULT,
                              .worker = worker,
                              .key = fx_key_of(n),
                              .epoch = epoch,
                              .result = fx_key_of(value)});
}

void fx_committed(int n)
{
    fx_step((i8x_sched_event){.type = I8X_SCHED_COMMITTED, .key = fx_key_of(n)});
}

i8x_sched_task_view fx_task(int n)
{
    i8x_sched_task_view view = {.state = I8X_SCHED_STATE_COUNT};
    i8x_digest key = fx_key_of(n);
    if (!i8x_sched_task(fx_sched, &key, &view))
        view.state = I8X_SCHED_STATE_COUNT;
    return view;
}

i8x_sched_state fx_state_of(int n)
{
    return fx_task(n).state;
}

i8x_sched_worker_view fx_worker(uint64_t worker)
{
    i8x_sched_worker_view view;
    ck_assert(i8x_sched_worker(fx_sched, worker, worker, &view));
    return view;
}

void fx_tell(i8x_sched_event_type type, uint64_t worker)
{
    fx_step((i8x_sched_event){.type = type, .worker = worker, .identity = worker});
}
