/* SPDX-License-Identifier: Apache-2.0
 *
 * Local: a job in this process, and the folder of blobs it works with. Same tasks, same bytes as
 * any fleet (int8x/report.h has i8x_local_run). `int8x-worker --task` uses the folder too.
 *
 * A folder holds blobs as files named by their SHA-256. Files that lie elsewhere (the calibration
 * set of a command line) join it by i8x_blobdir_link, which hashes them where they are; nothing is
 * copied.
 *
 *     i8x_blobdir *dir; I8X_TRY(i8x_blobdir_open("/var/tmp/x", &dir));
 *     i8x_blobdir_link(dir, "calib.npy", &job.calib);
 *     i8x_task_env env = {.io = i8x_blobdir_io(dir), .threads = 2, .level = I8X_CPU_LEVEL_COUNT};
 *
 * Not thread-safe.
 */
#ifndef INT8X_LOCAL_H
#define INT8X_LOCAL_H

#include "int8x/report.h"
#include "int8x/status.h"
#include "int8x/task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct i8x_blobdir i8x_blobdir;

/** Opens (and makes) a folder. Errors: I8X_EIO, I8X_ENOENT. */
I8X_FALLIBLE i8x_status i8x_blobdir_open(const char *path, i8x_blobdir **dir);
/** New private folder below `parent` (NULL: $TMPDIR is the caller's to read, /tmp is taken) that
 * close removes. */
I8X_FALLIBLE i8x_status i8x_blobdir_open_temporary(const char *parent, i8x_blobdir **dir);
/** Frees; a temporary folder is removed with its blobs. NULL is allowed. */
I8X_EXPORT void i8x_blobdir_close(i8x_blobdir *dir);
/** The store as a task sees it. Blobs are verified when they are first opened. Borrowed. */
I8X_EXPORT const i8x_blob_io *i8x_blobdir_io(i8x_blobdir *dir);
/** Results of tasks beside the blobs of the folder, for i8x_local_run: a second run finds what the
 * first one computed, also after a kill. Borrowed. */
I8X_EXPORT const i8x_result_cache *i8x_blobdir_results(i8x_blobdir *dir);
/** Hashes a file and makes it known under its digest. Errors: I8X_ENOENT, I8X_EIO, I8X_EARG (empty
 * file). */
I8X_FALLIBLE i8x_status i8x_blobdir_link(i8x_blobdir *dir, const char *path, i8x_blob_ref *ref);
/** As i8x_blobdir_link for a model; one with external data becomes a blob that holds them. Errors:
 *  those of i8x_onnx_read_file too. */
I8X_FALLIBLE i8x_status i8x_blobdir_link_model(i8x_blobdir *dir, const char *path,
                                               i8x_blob_ref *ref);
/** Copies a blob to a file (atomically). Errors: I8X_ENOENT, I8X_EIO, I8X_ELIMIT (disk full). */
I8X_FALLIBLE i8x_status i8x_blobdir_export(i8x_blobdir *dir, const i8x_blob_ref *ref,
                                           const char *path);
/** Path of a blob in buffer. Errors: I8X_ENOENT, I8X_EARG (buffer). */
I8X_FALLIBLE i8x_status i8x_blobdir_path(i8x_blobdir *dir, const i8x_digest *digest, char *buffer,
                                         size_t size_bytes);

/* What i8x_local_evaluate compares. eval: .npy or .npz; labels: size_bytes 0 = none. */
typedef struct i8x_evaluation {
    i8x_blob_ref quantized, model, eval, labels;
    i8x_recipe recipe; /* shapes, batch, shard_samples */
} i8x_evaluation;

/**
 * SQNR, agreement and top-1 of a QDQ model against the float one, in our executor, by the same
 * tasks a job has. outputs: in the arena. measured may be NULL. Errors: those of the tasks.
 */
I8X_FALLIBLE i8x_status i8x_local_evaluate(const i8x_evaluation *evaluation,
                                           const i8x_task_env *env, i8x_arena *arena,
                                           i8x_report_output **outputs, int *output_count,
                                           int64_t *samples, i8x_measured *measured);

#ifdef __cplusplus
}
#endif
#endif
