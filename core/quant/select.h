/* SPDX-License-Identifier: Apache-2.0
 *
 * Select: clip = auto. For each group of values the method whose range gives the least squared
 * error in the outputs of the layers that read the group, on a fixed block of samples. Groups do
 * not depend on each other, so they can be divided over tasks: a task handles groups [group_begin,
 * group_end) and the results are put together by i8x_selection_merge.
 */
#ifndef CORE_QUANT_SELECT_H
#define CORE_QUANT_SELECT_H

#include "core/base/threads.h"
#include "core/quant/qspec.h"
#include "core/quant/sample_block.h"

/**
 * graph: inferred with batch 1. histograms: merged ones of the whole calibration set.
 * selection: group_count = qspec->group_count; entries outside [group_begin, group_end) are -1.
 * Cost: one FP32 forward a sample, and for each candidate one run of each consuming layer.
 * Errors: I8X_EARG, whatever the executor returns.
 */
I8X_FALLIBLE i8x_status i8x_select_run(const i8x_graph *graph, const i8x_qspec *qspec,
                                       const i8x_recipe *recipe, const i8x_histograms *histograms,
                                       const i8x_sample_block *block, int group_begin,
                                       int group_end, i8x_threads *threads, i8x_arena *arena,
                                       i8x_selection *selection);
/** Union; a group chosen by two parts must be the same. Errors: I8X_ESHAPE, I8X_EFORMAT. */
I8X_FALLIBLE i8x_status i8x_selection_merge(const i8x_selection *parts, int part_count,
                                            i8x_arena *arena, i8x_selection *merged);
I8X_FALLIBLE i8x_status i8x_selection_encode(const i8x_selection *selection, i8x_arena *arena,
                                             const uint8_t **bytes, size_t *size_bytes);
I8X_FALLIBLE i8x_status i8x_selection_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                                             i8x_selection *selection);

#endif
