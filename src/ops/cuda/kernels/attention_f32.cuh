// Attention as in attention.cuh, in f32 and without the matrix units, which round what they multiply: a block of 256
// threads, each of which has 4 x 4 scores, and 4 rows of a 16th of the output's columns.
#pragma once
#include "scores.cuh"
#include "warp.cuh"

constexpr int F32_THREADS = 256;

// Numbers a block takes of shared memory: queries, keys, values and weights.
template <int WIDTH> __host__ __device__ constexpr int shared_floats() {
    return WIDTH * QUERIES + 2 * WIDTH * KEYS + QUERIES * (KEYS + 4);
}

// Heads of up to WIDTH features, a multiple of 16. `projected` is [tokens, 3 hidden]: queries, keys and values.
template <int WIDTH>
__device__ __forceinline__ void attend_f32(const float *projected, float *output, const Tile *tiles, const Heads &heads,
                                           const Additions &more, float *shared) {
    constexpr int COLUMNS = WIDTH / 16;
    const Tile tile = tiles[blockIdx.x];
    const int head = blockIdx.y, thread = threadIdx.x, down = thread / 16 * 4, across = thread % 16;
    const size_t row_stride = 3 * (size_t)heads.hidden;
    const float *sequence = projected + tile.first_token * row_stride + head * heads.size;
    float *queries = shared, *keys = queries + WIDTH * QUERIES;
    float *values = keys + WIDTH * KEYS, *weights = values + KEYS * WIDTH;
    // Turned, so that a thread's four numbers lie side by side.
    for (int at = thread; at < QUERIES * WIDTH; at += F32_THREADS) {
        const int row = at / WIDTH, column = at % WIDTH, query = tile.first_query + row;
        const bool there = query < tile.length && column < heads.size;
        queries[column * QUERIES + row] = there ? sequence[query * row_stride + column] : 0.0f;
    }
    int first_key, end;
    keys_seen(tile, more.reach, first_key, end);
    float sums[4][COLUMNS] = {}, total[4] = {};
    float largest[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    for (int key = first_key; key < end; key += KEYS) {
        __syncthreads();
        for (int at = thread; at < KEYS * WIDTH; at += F32_THREADS) {
            const int row = at / WIDTH, column = at % WIDTH;
            const bool there = key + row < tile.length && column < heads.size;
            const float *from = sequence + heads.hidden + (key + row) * row_stride + column;
            keys[column * KEYS + row] = there ? from[0] : 0.0f;
            values[row * WIDTH + column] = there ? from[heads.hidden] : 0.0f;
        }
        __syncthreads();
        float scores[4][4] = {};
        for (int depth = 0; depth < WIDTH; ++depth) {
#pragma unroll
            for (int row = 0; row < 4; ++row) {
#pragma unroll
                for (int column = 0; column < 4; ++column) {
                    scores[row][column] += queries[depth * QUERIES + down + row] * keys[depth * KEYS + across * 4 + column];
                }
            }
        }
#pragma unroll
        for (int row = 0; row < 4; ++row) {
            const int own = tile.first_query + down + row;
            float most = largest[row];
#pragma unroll
            for (int column = 0; column < 4; ++column) {
                const int other = key + across * 4 + column;
                scores[row][column] = whole_score<float>(scores[row][column], own, other, tile, head, heads, more);
                most = fmaxf(most, scores[row][column]);
            }
            for (int away = 1; away < 16; away *= 2) { most = fmaxf(most, other_lane(most, away)); }
            // Of a row that has seen no key yet nothing is to be corrected, and infinities have no difference.
            const float zero = most == -INFINITY ? 0.0f : most;
            const float correction = exp2f(largest[row] - zero);
            largest[row] = most;
            total[row] *= correction;
#pragma unroll
            for (int column = 0; column < COLUMNS; ++column) { sums[row][column] *= correction; }
#pragma unroll
            for (int column = 0; column < 4; ++column) {
                const float weight = exp2f(scores[row][column] - zero);
                total[row] += weight;
                weights[(down + row) * (KEYS + 4) + across * 4 + column] = weight;
            }
        }
        __syncthreads();
        for (int at = 0; at < KEYS; ++at) {
#pragma unroll
            for (int row = 0; row < 4; ++row) {
                const float weight = weights[(down + row) * (KEYS + 4) + at];
#pragma unroll
                for (int column = 0; column < COLUMNS; ++column) {
                    sums[row][column] += weight * values[at * WIDTH + across + column * 16];
                }
            }
        }
    }
#pragma unroll
    for (int row = 0; row < 4; ++row) {
        for (int away = 1; away < 16; away *= 2) { total[row] += other_lane(total[row], away); }
        const int own = tile.first_query + down + row;
        if (own >= tile.length) { continue; }
        float *into = output + (size_t)(tile.first_token + own) * heads.hidden + head * heads.size;
#pragma unroll
        for (int column = 0; column < COLUMNS; ++column) {
            const int feature = across + column * 16;
            if (feature < heads.size) { into[feature] = sums[row][column] / total[row]; }
        }
    }
}
