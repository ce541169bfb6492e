/* SPDX-License-Identifier: Apache-2.0
 *
 * Gram matrices of layer inputs (rounding.h). The full form unrolls the taps of some output rows
 * into lines of floats and takes dot products of all pairs of lines; the factored form sums
 * quarters of planes.
 */
#include "core/quant/rounding.h"

#include <math.h>
#include <string.h>

#include "core/graph/op_params.h"
#include "core/kernels/kernels.h"

#define UNROLL_FLOATS ((int64_t)1 << 18) /* of scratch for unrolled taps */
#define FULL_DOUBLES ((int64_t)1 << 22)  /* most elements of all full matrices of a layer */
#define DAMPING 1e-6                     /* share of the mean diagonal that is added to it */
#define DAMPING_LEAST 1e-12

/* A convolution's input as channels of planes: [sources][inputs of each][rows][columns]. */
typedef struct geometry {
    int64_t sources, inputs, plane_taps, rows, columns, positions;
    i8x_window window;
} geometry;

static bool geometry_of(const i8x_graph *graph, const i8x_qlayer *layer, geometry *g)
{
    const i8x_node *node = &graph->nodes[layer->node];
    if (!i8x_node_is(node, I8X_OP_CONV) || node->params == NULL)
        return false;
    const i8x_conv_params *conv = node->params;
    if (conv->group > 1 && !layer->depthwise)
        return false;
    g->window = conv->window;
    g->sources = conv->group;
    g->inputs = conv->ic;
    g->plane_taps = conv->window.kh * conv->window.kw;
    g->rows = conv->window.ih;
    g->columns = conv->window.iw;
    g->positions = conv->window.oh * conv->window.ow;
    return g->positions > 0 && g->rows * g->columns > 0;
}

/* Cuts along each axis of a plane: 2 x 2, or 4 along the only axis. */
static void region_cuts(const geometry *g, int64_t *vertical, int64_t *horizontal)
{
    int64_t side = I8X_ROUNDING_REGIONS, square = side * side;
    bool line = g->rows == 1;
    *vertical = g->rows < side ? g->rows : side;
    *horizontal = line ? square : side;
    *horizontal = g->columns < *horizontal ? g->columns : *horizontal;
}

static i8x_status gram_alloc(i8x_gram *gram, i8x_arena *arena)
{
    size_t taps = (size_t)gram->taps, sources = (size_t)gram->sources;
    if (gram->rank_max == 0) {
        gram->full = i8x_arena_array(arena, sources * taps * taps, sizeof *gram->full);
        return i8x_alloc_check(gram->full);
    }
    size_t inputs = (size_t)gram->inputs;
    gram->factors = i8x_arena_array(arena, inputs * (size_t)gram->rank_max, sizeof(float));
    I8X_TRY(i8x_alloc_check(gram->factors));
    gram->offsets = i8x_arena_array(arena, taps, sizeof *gram->offsets);
    I8X_TRY(i8x_alloc_check(gram->offsets));
    for (int64_t t = 0; t < gram->taps; t++)
        gram->offsets[t] = (ptrdiff_t)(t / gram->plane_taps * gram->rank_max);
    gram->norms = i8x_arena_array(arena, inputs, sizeof(double));
    I8X_TRY(i8x_alloc_check(gram->norms));
    gram->diagonal = i8x_arena_array(arena, inputs, sizeof(double));
    return i8x_alloc_check(gram->diagonal);
}

i8x_status i8x_gram_init(i8x_gram *gram, const i8x_graph *graph, const i8x_qlayer *layer,
                         int64_t samples, i8x_arena *arena, bool *usable)
{
    geometry g;
    *gram = (i8x_gram){0};
    *usable = geometry_of(graph, layer, &g);
    if (!*usable)
        return I8X_OK;
    int64_t taps = layer->elements / layer->channels;
    gram->taps = taps;
    gram->channels = layer->channels;
    gram->sources = g.sources;
    gram->grid = layer->depthwise;
    gram->plane_taps = g.plane_taps;
    gram->inputs = g.inputs;
    /* a 1x1 convolution: quarters of planes say as much as the full matrix and cost less */
    bool full = taps <= I8X_ROUNDING_FULL_TAPS && g.plane_taps > 1 &&
                g.sources <= FULL_DOUBLES / (taps * taps);
    int64_t enough = I8X_ROUNDING_SAMPLES_LEAST;
    if (!layer->depthwise && enough * g.positions < I8X_ROUNDING_POSITIONS)
        enough = (I8X_ROUNDING_POSITIONS + g.positions - 1) / g.positions;
    gram->samples = full && enough < samples ? enough : samples;
    if (!full) {
        int64_t vertical, horizontal;
        region_cuts(&g, &vertical, &horizontal);
        gram->regions = vertical * horizontal;
        gram->rank_max = gram->regions * samples;
    }
    return gram_alloc(gram, arena);
}

/* Output rows [from, to) of one tap as a line of floats; padding is 0. */
static void unroll_tap(const i8x_window *w, const float *plane, int64_t ky, int64_t kx,
                       int64_t from, int64_t to, float *line)
{
    /* outputs [left, right) of a row read inside the image */
    int64_t shift = kx * w->dilation_w - w->pad_left, stride = w->stride_w;
    int64_t left = shift < 0 ? (-shift + stride - 1) / stride : 0;
    int64_t right = w->iw > shift ? (w->iw - shift + stride - 1) / stride : 0;
    right = right < w->ow ? right : w->ow;
    left = left < right ? left : right;
    for (int64_t oy = from; oy < to; oy++, line += w->ow) {
        int64_t iy = oy * w->stride_h + ky * w->dilation_h - w->pad_top;
        if (iy < 0 || iy >= w->ih || right <= 0) {
            memset(line, 0, (size_t)w->ow * sizeof *line);
            continue;
        }
        const float *row = plane + iy * w->iw + shift;
        for (int64_t ox = 0; ox < left; ox++)
            line[ox] = 0;
        for (int64_t ox = left; ox < right; ox++)
            line[ox] = row[ox * stride];
        for (int64_t ox = right; ox < w->ow; ox++)
            line[ox] = 0;
    }
}

static void full_add(i8x_gram *gram, const i8x_window *w, int64_t source, const float *planes,
                     float *lines, int64_t chunk_rows)
{
    const i8x_kernels *kernels = i8x_kernels_get();
    int64_t taps = gram->taps, plane = w->ih * w->iw;
    double *h = gram->full + source * taps * taps;
    for (int64_t from = 0; from < w->oh; from += chunk_rows) {
        int64_t to = from + chunk_rows < w->oh ? from + chunk_rows : w->oh;
        int64_t size = (to - from) * w->ow;
        for (int64_t t = 0; t < taps; t++) {
            int64_t channel = t / gram->plane_taps, tap = t % gram->plane_taps;
            unroll_tap(w, planes + channel * plane, tap / w->kw, tap % w->kw, from, to,
                       lines + t * size);
        }
        for (int64_t i = 0; i < taps; i++) {
            for (int64_t j = i; j < taps; j++)
                h[i * taps + j] +=
                    (double)kernels->dot_f32(lines + i * size, lines + j * size, (size_t)size);
        }
    }
}

/* Mean of a region of a plane into Z; adds its squares to the channel's. */
static void region_add(i8x_gram *gram, const geometry *g, const float *plane, int64_t channel,
                       const int64_t *rows, const int64_t *columns, int64_t at)
{
    const i8x_kernels *kernels = i8x_kernels_get();
    double sum = 0, squares = 0;
    for (int64_t y = rows[0]; y < rows[1]; y++) {
        double part, part_squares;
        kernels->moments_f32(plane + y * g->columns + columns[0], (size_t)(columns[1] - columns[0]),
                             &part, &part_squares);
        sum += part;
        squares += part_squares;
    }
    int64_t count = (rows[1] - rows[0]) * (columns[1] - columns[0]);
    gram->factors[channel * gram->rank_max + at] = (float)(sum / (double)count);
    gram->diagonal[channel] += squares;
}

static void planes_add(i8x_gram *gram, const geometry *g, const float *input)
{
    int64_t vertical, horizontal;
    region_cuts(g, &vertical, &horizontal);
    for (int64_t c = 0; c < g->inputs; c++) {
        for (int64_t r = 0; r < vertical * horizontal; r++) {
            int64_t y = r / horizontal, x = r % horizontal;
            int64_t rows[2] = {y * g->rows / vertical, (y + 1) * g->rows / vertical};
            int64_t columns[2] = {x * g->columns / horizontal, (x + 1) * g->columns / horizontal};
            region_add(gram, g, input + c * g->rows * g->columns, c, rows, columns, gram->rank + r);
        }
    }
    gram->positions += (uint64_t)(g->rows * g->columns);
}

i8x_status i8x_gram_add(i8x_gram *gram, const i8x_graph *graph, const i8x_qlayer *layer,
                        const float *input, i8x_arena *scratch)
{
    geometry g;
    I8X_ENSURE(geometry_of(graph, layer, &g), I8X_EINTERNAL, "no Gram matrix for this layer");
    if (gram->full == NULL) {
        I8X_ASSERT(gram->rank + gram->regions <= gram->rank_max);
        planes_add(gram, &g, input);
        gram->rank += gram->regions;
        return I8X_OK;
    }
    int64_t chunk = UNROLL_FLOATS / (gram->taps * g.window.ow);
    chunk = chunk < 1 ? 1 : chunk > g.window.oh ? g.window.oh : chunk;
    i8x_arena_mark mark = i8x_arena_mark_get(scratch);
    float *lines =
        i8x_arena_array(scratch, (size_t)(gram->taps * chunk * g.window.ow), sizeof *lines);
    I8X_TRY(i8x_alloc_check(lines));
    int64_t plane = g.window.ih * g.window.iw, each = g.inputs / g.sources;
    for (int64_t s = 0; s < g.sources; s++)
        full_add(gram, &g.window, s, input + s * each * plane, lines, chunk);
    gram->positions += (uint64_t)g.positions;
    i8x_arena_rewind(scratch, mark);
    return I8X_OK;
}

static void full_finish(i8x_gram *gram)
{
    int64_t taps = gram->taps;
    for (int64_t s = 0; s < gram->sources; s++) {
        double *h = gram->full + s * taps * taps, mean = 0;
        for (int64_t i = 0; i < taps; i++) {
            for (int64_t j = i; j < taps; j++) {
                h[i * taps + j] /= (double)gram->positions;
                h[j * taps + i] = h[i * taps + j];
            }
            mean += h[i * taps + i] / (double)taps;
        }
        for (int64_t i = 0; i < taps; i++)
            h[i * taps + i] += DAMPING * mean + DAMPING_LEAST;
    }
}

static void factors_finish(i8x_gram *gram)
{
    float inverse = (float)(1.0 / sqrt((double)gram->rank));
    double mean = 0;
    for (int64_t c = 0; c < gram->inputs; c++)
        mean += gram->diagonal[c] / (double)gram->positions / (double)gram->inputs;
    for (int64_t c = 0; c < gram->inputs; c++) {
        float *z = gram->factors + c * gram->rank_max;
        double norm = 0, second = gram->diagonal[c] / (double)gram->positions;
        for (int64_t r = 0; r < gram->rank; r++) {
            z[r] *= inverse;
            norm += (double)z[r] * (double)z[r];
        }
        double rest = second - norm;
        gram->norms[c] = norm;
        gram->diagonal[c] = (rest > 0 ? rest : 0) + DAMPING * mean + DAMPING_LEAST;
    }
}

void i8x_gram_finish(i8x_gram *gram)
{
    if (gram->full != NULL)
        full_finish(gram);
    else
        factors_finish(gram);
}
