/* SPDX-License-Identifier: Apache-2.0
 *
 * Task kind probe: does what probe.h says, without a model. The last one (index = count) gives the
 * artifact and a report of nothing, so that a probe job ends as any other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/rng.h"
#include "core/run/task.h"
#include "int8x/clock.h"
#include "int8x/log.h"
#include "int8x/report.h"

#define STEP_MS 20 /* between reports of progress */
#define BLOCK_BYTES 65536
#define GREED_BYTES ((size_t)1 << 20)
#define GREED_MAX_BYTES ((size_t)384 << 20) /* beyond the limit */

static void rest(int64_t ms)
{
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

static i8x_status wait_ms(i8x_task_ctx *ctx, int64_t ms)
{
    int64_t start = i8x_clock_now_ns(NULL);
    for (int64_t passed = 0; passed < ms; passed = (i8x_clock_now_ns(NULL) - start) / 1000000) {
        I8X_TRY(i8x_task_step(ctx, (uint64_t)passed, (uint64_t)ms));
        rest(ms - passed < STEP_MS ? ms - passed : STEP_MS);
    }
    return I8X_OK;
}

/* Well beyond its limit, but not for ever: where nobody guards, the machine should live. */
static i8x_status eat_memory(size_t limit_bytes)
{
    for (size_t taken = 0; taken < limit_bytes + GREED_MAX_BYTES; taken += GREED_BYTES) {
        char *block = i8x_alloc_array(i8x_alloc_heap(), GREED_BYTES, 1);
        I8X_TRY(i8x_alloc_check(block)); /* what was taken goes with the process */
        memset(block, 1, GREED_BYTES);
    }
    I8X_FAIL(I8X_ENOMEM, "the probe took all the memory it was to take");
}

static i8x_status misbehave(i8x_task_ctx *ctx, i8x_probe_mode mode)
{
    if (mode == I8X_PROBE_CRASH) {
        i8x_log(I8X_LOG_ERROR, "probe_crashes", "words=\"as it was asked to\"");
        abort();
    }
    while (mode == I8X_PROBE_LOOP) /* NOLINT(bugprone-infinite-loop): it is ended from outside */
        rest(STEP_MS);
    if (mode == I8X_PROBE_MEMORY)
        return eat_memory(ctx->env->limit_bytes);
    I8X_ENSURE(mode != I8X_PROBE_FAIL, I8X_EARG, "the probe fails as it was asked to");
    return I8X_OK;
}

static i8x_status produce_noise(void *user, i8x_sink_fn sink, void *sink_user)
{
    const i8x_task_params *params = user;
    uint8_t block[BLOCK_BYTES];
    uint64_t seed = 0, words = 0;
    for (int i = 0; i < 8; i++)
        seed = seed << 8 | params->model.bytes[i];
    seed = i8x_rng_stream(seed, (uint64_t)params->first);
    for (int64_t left = params->probe.bytes; left > 0; left -= BLOCK_BYTES) {
        for (size_t i = 0; i < BLOCK_BYTES; i += 8) {
            uint64_t word = i8x_rng_u64(seed, words++);
            for (size_t k = 0; k < 8; k++)
                block[i + k] = (uint8_t)(word >> (8 * k));
        }
        I8X_TRY(sink(sink_user, block, left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES));
    }
    return I8X_OK;
}

static i8x_status produce_artifact(void *user, i8x_sink_fn sink, void *sink_user)
{
    i8x_task_ctx *ctx = user;
    const uint8_t *text;
    size_t size;
    I8X_TRY(i8x_task_open(ctx, "model", 0, &text, &size));
    I8X_TRY(sink(sink_user, text, size));
    int parts = i8x_task_input_count(ctx, "part");
    for (int i = 0; i < parts; i++) {
        char line[I8X_DIGEST_HEX_SIZE + 8], hex[I8X_DIGEST_HEX_SIZE];
        i8x_digest_to_hex(&i8x_task_input_find(ctx, "part", i)->ref.digest, hex);
        int length = snprintf(line, sizeof line, "part %s\n", hex);
        I8X_TRY(sink(sink_user, line, (size_t)length));
    }
    return I8X_OK;
}

static i8x_status finish(i8x_task_ctx *ctx)
{
    i8x_blob_ref artifact;
    I8X_TRY(i8x_task_output_stream(ctx, "artifact", produce_artifact, ctx, &artifact));
    i8x_report *report = i8x_arena_array(ctx->arena, 1, sizeof *report);
    I8X_TRY(i8x_alloc_check(report));
    report->recipe = ctx->params.recipe;
    report->model_sha256 = ctx->params.model;
    report->artifact_sha256 = artifact.digest;
    report->artifact_bytes = artifact.size_bytes;
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_report_encode(report, ctx->arena, &bytes, &size));
    return i8x_task_output_bytes(ctx, "report", bytes, size);
}

i8x_status i8x_task_probe(i8x_task_ctx *ctx)
{
    const i8x_task_params *params = &ctx->params;
    I8X_ENSURE(ctx->env->probes, I8X_EUNSUPPORTED,
               "probe tasks run only on workers that were started with --probes");
    if (params->first == params->probe.count)
        return finish(ctx);
    I8X_TRY(wait_ms(ctx, params->probe.ms));
    if (params->first == 0)
        I8X_TRY(misbehave(ctx, params->probe.mode));
    if (params->probe.bytes == 0)
        return I8X_OK;
    return i8x_task_output_stream(ctx, "part", produce_noise, &ctx->params, NULL);
}
