/* SPDX-License-Identifier: Apache-2.0
 *
 * Observer: statistics of activations, collected in one pass over the samples and merged exactly.
 * Two records come out of a shard, encoded apart so that a reader takes only what it needs:
 * histograms (histogram.h) and per-channel moments (moments.h). Neither depends on the recipe: one
 * calibration serves every clip method, target and layer selection.
 *
 *     i8x_observer_new(graph, 0, &o);
 *     exec_opts.observer = i8x_observer_see; .observer_user = o; .observed =
 * i8x_observer_observed(o); i8x_observer_batch(o, first_sample, samples, batch); i8x_exec_run(...);
 * ... per batch ... i8x_observer_histograms(o, arena, &h); i8x_histograms_encode(&h, arena, &bytes,
 * &size);
 *
 * Not thread-safe; one observer a thread.
 */
#ifndef CORE_QUANT_OBSERVER_H
#define CORE_QUANT_OBSERVER_H

#include <stddef.h>
#include <stdint.h>

#include "core/graph/graph.h"
#include "core/quant/histogram.h"
#include "core/quant/moments.h"
#include "int8x/alloc.h"
#include "int8x/tensor.h"

typedef struct i8x_observer i8x_observer;

/* What is left out of the full set (0 = everything). */
#define I8X_OBSERVE_NO_HISTOGRAMS 1u
#define I8X_OBSERVE_NO_MOMENTS 2u
#define I8X_OBSERVE_RESULTS 4u /* nothing of values that only feed an activation (equalisation) */

/**
 * New observer of an inferred graph (borrowed). Observed are the float values that a recipe may
 * quantize: inputs and computed values; values that only feed one Relu or Clip have moments but no
 * histogram. Errors: I8X_ESHAPE (shape unknown), I8X_ELIMIT, I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_observer_new(const i8x_graph *graph, unsigned flags,
                                         i8x_observer **observer);
void i8x_observer_free(i8x_observer *observer);
/** [value_count] 1 = observed; for i8x_exec_opts.observed. Borrowed. */
const uint8_t *i8x_observer_observed(const i8x_observer *observer);
/** Announces the next run: its first sample's index in the whole set (for error sentences), how
 * many of its samples count, and the batch the graph was inferred for (the rest is padding and is
 * not looked at). */
void i8x_observer_batch(i8x_observer *observer, int64_t first_sample, int64_t samples,
                        int64_t batch);
/**
 * One value of the announced run; is an i8x_exec_observer_fn (user = the observer).
 * Errors: I8X_ERANGE (NaN or infinity: tensor and sample named), I8X_ESHAPE (elements do not divide
 * by the batch), I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_observer_see(void *user, int value, const i8x_tensor *tensor);
/** Results so far, copied into the arena. */
I8X_FALLIBLE i8x_status i8x_observer_histograms(const i8x_observer *observer, i8x_arena *arena,
                                                i8x_histograms *histograms);
I8X_FALLIBLE i8x_status i8x_observer_moments(const i8x_observer *observer, i8x_arena *arena,
                                             i8x_moments *moments);

#endif
