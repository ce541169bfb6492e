/* SPDX-License-Identifier: Apache-2.0
 *
 * Integers throughout, so that the same events give the same decisions on every machine. The clock
 * has milliseconds: a task that took none is booked with LEAST_US, and the mean over many is right.
 */
#include "daemon/sched/rates.h"

#include "daemon/sched/fleet.h"

#define LEAST_US 100
#define WORKER_WEIGHT 8 /* a new figure counts one part in so many */
#define FLEET_WEIGHT 16
#define SLOWNESS_MAX 65536
#define RATE_SECONDS_US 1000000000ull

static uint32_t mean(uint32_t old, uint64_t seen, int weight)
{
    if (old == 0)
        return (uint32_t)seen;
    int64_t next = (int64_t)old + ((int64_t)seen - (int64_t)old) / weight;
    return next > LEAST_US ? (uint32_t)next : LEAST_US;
}

uint64_t i8x_rates_of(const worker_row *worker, int kind)
{
    return worker->kind_us[kind] != 0 ? worker->slots * RATE_SECONDS_US / worker->kind_us[kind] : 0;
}

static void count_kind(i8x_sched *s, const worker_row *worker, int kind, int sign)
{
    i8x_sched_power *power = &s->power[kind];
    uint64_t rate = i8x_rates_of(worker, kind);
    power->workers += (uint32_t)sign;
    if (sign < 0 && power->workers == 1)
        power->alone_ms = s->now_ms;
    power->slots += (uint32_t)sign * worker->slots;
    power->rate += (uint64_t)(int64_t)sign * rate;
    if (rate != 0)
        power->measured_slots += (uint32_t)sign * worker->slots;
}

void i8x_rates_count(i8x_sched *s, const worker_row *worker, int sign)
{
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        if ((worker->kinds >> kind & 1) != 0)
            count_kind(s, worker, kind, sign);
}

void i8x_rates_note(i8x_sched *s, const lease_row *lease)
{
    if (!lease->started)
        return; /* when it began is not known */
    worker_row *worker = i8x_worker_at(s, lease->worker);
    int kind = i8x_task_at(s, lease->task)->kind;
    int64_t took = i8x_sched_now_us(s) - lease->begin_us;
    uint64_t seen = took < LEAST_US         ? LEAST_US
                    : took > UINT32_MAX / 2 ? UINT32_MAX / 2
                                            : (uint64_t)took;
    bool counted = i8x_fleet_eligible(worker) && (worker->kinds >> kind & 1) != 0;
    if (counted)
        count_kind(s, worker, kind, -1);
    worker->kind_us[kind] = mean(worker->kind_us[kind], seen, WORKER_WEIGHT);
    if (counted)
        count_kind(s, worker, kind, 1);
    s->fleet_us[kind] = mean(s->fleet_us[kind], seen, FLEET_WEIGHT);
    uint64_t ratio = seen * I8X_SCHED_SLOWNESS / s->fleet_us[kind];
    worker->slowness =
        mean(worker->slowness, ratio > SLOWNESS_MAX ? SLOWNESS_MAX : ratio, WORKER_WEIGHT);
}

uint64_t i8x_rates_expect(const i8x_sched *s, const worker_row *worker, int kind)
{
    if (worker->kind_us[kind] != 0)
        return worker->kind_us[kind];
    return (uint64_t)s->fleet_us[kind] * worker->slowness / I8X_SCHED_SLOWNESS;
}

uint64_t i8x_rates_share(const i8x_sched *s, const worker_row *worker, int kind, uint64_t count)
{
    const i8x_sched_power *power = &s->power[kind];
    if (power->measured_slots == 0)
        return count * worker->slots / (power->slots != 0 ? power->slots : 1);
    uint64_t slot_rate = power->rate / power->measured_slots;
    uint64_t own = i8x_rates_of(worker, kind), all = slot_rate * power->slots;
    own = own != 0 ? own : slot_rate * worker->slots;
    return count * own / (all != 0 ? all : 1);
}
