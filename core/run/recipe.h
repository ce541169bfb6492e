/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipe, inside the core: the canonical encoding of chosen fields, and the text fields taken
 * apart. A task's options hold exactly the fields that its kind depends on, so that recipes which
 * differ elsewhere share its result.
 */
#ifndef CORE_RUN_RECIPE_H
#define CORE_RUN_RECIPE_H

#include "core/base/canon.h"
#include "int8x/graph.h"
#include "int8x/recipe.h"

#define I8X_RECIPE_LIST_MAX 256 /* entries of a comma-separated field */

/** Row of a field by name, or NULL. */
const i8x_field *i8x_recipe_field(const char *name);
/** Writes the named fields as one list. Enums go by their text. */
void i8x_recipe_put(i8x_canon_writer *writer, const i8x_recipe *recipe, const char *const *names,
                    int count);
/** Reads what put wrote with the same names; the other fields get their defaults.
 *  Errors: I8X_EFORMAT, I8X_EARG, I8X_ERANGE. */
I8X_FALLIBLE i8x_status i8x_recipe_take(i8x_canon_reader *reader, i8x_recipe *recipe,
                                        const char *const *names, int count, i8x_arena *scratch);
/** Bindings of the field shapes, in the arena. Errors: I8X_EARG (syntax, with the text). */
I8X_FALLIBLE i8x_status i8x_recipe_shapes(const i8x_recipe *recipe, i8x_arena *arena,
                                          i8x_shape_binding **bindings, int *count);
/** As put and take, for the fields of at least this reach, in the order of the table. */
void i8x_recipe_put_reach(i8x_canon_writer *writer, const i8x_recipe *recipe, i8x_reach reach);
I8X_FALLIBLE i8x_status i8x_recipe_take_reach(i8x_canon_reader *reader, i8x_recipe *recipe,
                                              i8x_reach reach, i8x_arena *scratch);
/** "target=ort-x86;clip=auto;..." of the fields that reach the artifact, in the arena; NULL = no
 * memory. */
const char *i8x_recipe_text(const i8x_recipe *recipe, i8x_arena *arena);
/** Entries of a comma-separated text, trimmed, empty ones dropped, in the arena. Errors:
 * I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_recipe_split(const char *text, i8x_arena *arena,
                                         const char *const **entries, int *count);

#endif
