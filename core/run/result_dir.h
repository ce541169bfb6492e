/* SPDX-License-Identifier: Apache-2.0
 *
 * Result dir: results of tasks as files in a blob folder's subfolder "results", named by the task's
 * key: the cache of jobs that run in this process (int8x/local.h, i8x_blobdir_results).
 */
#ifndef CORE_RUN_RESULT_DIR_H
#define CORE_RUN_RESULT_DIR_H

#include "int8x/local.h"

/* user: the i8x_blobdir. A file that is damaged, or whose output blobs are not whole, is removed
 * and counts as not found. Errors: I8X_EIO, I8X_ENOMEM, I8X_ELIMIT (disk full). */
I8X_FALLIBLE i8x_status i8x_result_dir_get(void *user, const i8x_digest *key,
                                           i8x_task_result *result, bool *found);
I8X_FALLIBLE i8x_status i8x_result_dir_put(void *user, const i8x_digest *key,
                                           const i8x_task_result *result);
/** Removes the subfolder with its files. */
void i8x_result_dir_remove(i8x_blobdir *dir);

/** Of the blob folder (blobdir.c): path, and whether a blob is there with its bytes. */
const char *i8x_blobdir_folder(const i8x_blobdir *dir);
bool i8x_blobdir_has(i8x_blobdir *dir, const i8x_blob_ref *ref);

#endif
