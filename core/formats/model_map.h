/* SPDX-License-Identifier: Apache-2.0
 *
 * Model map: the files behind a model. The model file is mapped (or given as bytes); files with
 * external data are mapped when a tensor first asks for them, and only from beneath the model's
 * folder. All views stay valid until i8x_model_map_free. Not thread-safe.
 */
#ifndef CORE_FORMATS_MODEL_MAP_H
#define CORE_FORMATS_MODEL_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "int8x/status.h"

#define I8X_EXTERNAL_FILES_MAX 4096
#define I8X_EXTERNAL_DEPTH_MAX 32 /* folders in a location */

typedef struct i8x_model_map i8x_model_map;

/** Maps the model file. Errors: I8X_ENOENT, I8X_EIO, I8X_ELIMIT (larger than I8X_MODEL_SIZE_MAX).
 */
I8X_FALLIBLE i8x_status i8x_model_map_open(const char *path, i8x_model_map **map);
/** A model in memory that the caller keeps; it has no folder, so no external data. */
I8X_FALLIBLE i8x_status i8x_model_map_bytes(const void *bytes, size_t size, i8x_model_map **map);
/** Bytes of the model file. */
const uint8_t *i8x_model_map_get(const i8x_model_map *map, size_t *size);
/**
 * View of size bytes at offset of the file that location names, relative to the model's folder.
 * Errors: I8X_EFORMAT (absolute, "..", a symbolic link on the way, beyond the file's end),
 * I8X_ENOENT, I8X_EUNSUPPORTED (a model from memory), I8X_ELIMIT (number of files), I8X_EIO.
 */
I8X_FALLIBLE i8x_status i8x_model_map_external(i8x_model_map *map, const char *location,
                                               uint64_t offset, size_t size, const uint8_t **data);
/** Number of files of external data that were asked for so far. */
size_t i8x_model_map_external_count(const i8x_model_map *map);
/** The pages of this view will not be needed soon: they leave the resident set and are read again
 * if touched. Does nothing to memory that the caller gave. */
void i8x_model_map_forget(const i8x_model_map *map, const void *data, size_t size);
/** Unmaps everything; fits i8x_graph.keep_release. NULL is allowed. */
void i8x_model_map_free(void *map);

#endif
