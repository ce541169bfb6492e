/* SPDX-License-Identifier: Apache-2.0
 *
 * The ceiling acts on one reading: a sensor that is over it once is over it. Load is a difference
 * over a second and jumps, so resuming wants a calm time, while stopping does not: the machine's
 * owner should not wait for us.
 */
#include "worker/governor.h"

#include <stdio.h>
#include <string.h>

void i8x_governor_init(i8x_governor *governor, const i8x_governor_opts *opts)
{
    memset(governor, 0, sizeof *governor);
    governor->opts = *opts;
    if (opts->others_max_percent > 0) { /* until we know better */
        governor->busy = true;
        snprintf(governor->reason, sizeof governor->reason,
                 "--idle-only: the load by others is not known yet");
    }
}

static void see_temperature(i8x_governor *governor, const i8x_sensor_reading *reading)
{
    int32_t ceiling_mc = governor->opts.temperature_max_c * 1000;
    if (ceiling_mc == 0 || !reading->temperature_known)
        governor->hot = false;
    else if (reading->temperature_mc > ceiling_mc)
        governor->hot = true;
    else if (reading->temperature_mc <= ceiling_mc - I8X_TEMPERATURE_RESUME_C * 1000)
        governor->hot = false;
}

static void see_load(i8x_governor *governor, const i8x_sensor_reading *reading, int64_t now_ms)
{
    int limit = governor->opts.others_max_percent;
    double percent = reading->load_others * 100;
    if (limit == 0 || !reading->load_known)
        return;
    int resume = limit > I8X_BUSY_RESUME_PERCENT ? limit - I8X_BUSY_RESUME_PERCENT : limit;
    bool calm = percent <= resume;
    if (calm && !governor->calm)
        governor->calm_since_ms = now_ms;
    governor->calm = calm;
    if (percent > limit)
        governor->busy = true;
    else if (calm && now_ms - governor->calm_since_ms >= I8X_BUSY_CALM_MS)
        governor->busy = false;
}

void i8x_governor_see(i8x_governor *governor, const i8x_sensor_reading *reading, int64_t now_ms)
{
    see_temperature(governor, reading);
    see_load(governor, reading, now_ms);
    int ceiling = governor->opts.temperature_max_c;
    if (governor->hot)
        snprintf(governor->reason, sizeof governor->reason,
                 "%.40s is at %.1f C, over --temperature-max %d; resumes at %d", reading->hottest,
                 reading->temperature_mc / 1000.0, ceiling, ceiling - I8X_TEMPERATURE_RESUME_C);
    else if (governor->busy && reading->load_known)
        snprintf(governor->reason, sizeof governor->reason,
                 "others use %.0f %% of the processors, --idle-only allows %d %%",
                 reading->load_others * 100, governor->opts.others_max_percent);
    else if (!governor->busy)
        governor->reason[0] = 0;
}

bool i8x_governor_allows(const i8x_governor *governor)
{
    return !governor->hot && !governor->busy;
}

i8x_wire_activity i8x_governor_activity(const i8x_governor *governor, bool draining, bool works)
{
    if (draining)
        return I8X_WIRE_ACTIVITY_DRAINING;
    if (governor->hot)
        return I8X_WIRE_ACTIVITY_HOT;
    if (governor->busy)
        return I8X_WIRE_ACTIVITY_BUSY;
    return works ? I8X_WIRE_ACTIVITY_WORKING : I8X_WIRE_ACTIVITY_IDLE;
}
