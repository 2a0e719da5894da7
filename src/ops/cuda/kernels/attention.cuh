// Attention of each sequence of a packed batch with itself, in half precision: a block has one head and 64 queries.
// Scores are never written: each warp has 16 queries, goes through the keys 64 at a time, and corrects its sums by the
// largest score so far (Milakov and Gimelshein, 2018; Dao et al., 2022). Products are made by the matrix units and
// summed in f32.
#pragma once
#include "scores.cuh"
#include "warp.cuh"

constexpr int WARPS = 4;

// Numbers between rows of a tile in shared memory: an odd count of 16 bytes, so that no two of eight rows share a bank.
template <int WIDTH> __host__ __device__ constexpr int stride() { return WIDTH + 8; }

// What a block takes of shared memory: queries, and keys and values twice, for they are copied while others are used.
template <int WIDTH> __host__ __device__ constexpr int shared_bytes() { return (QUERIES + 4 * KEYS) * stride<WIDTH>() * 2; }

// Rows of a head into shared memory; zeros where there is no such row, and beyond the head's own features.
template <typename T, int WIDTH>
__device__ __forceinline__ void copy_rows(T *into, const T *from, int rows, const Heads &heads, int thread) {
    constexpr int PARTS = WIDTH / 8;
    const int row_stride = 3 * heads.hidden;
    for (int part = thread; part < KEYS * PARTS; part += WARPS * 32) {
        const int row = part / PARTS, column = part % PARTS * 8;
        T *place = into + row * stride<WIDTH>() + column;
        const T *source = from + (size_t)row * row_stride + column;
        if (heads.size % 8 == 0) {
            // Nothing is read past the sequence's end, which may be that of the tensor.
            const bool there = row < rows && column < heads.size;
            copy_16(place, there ? source : from, there);
        } else {
            for (int at = 0; at < 8; ++at) { place[at] = row < rows && column + at < heads.size ? source[at] : T(0.0f); }
        }
    }
}

template <typename T>
__device__ __forceinline__ void store_pair(T *into, int column, int features, float first, float second) {
    if (features % 2 == 0) {
        if (column < features) { *reinterpret_cast<uint32_t *>(into + column) = packed<T>(first, second); }
    } else {
        if (column < features) { into[column] = T(first); }
        if (column + 1 < features) { into[column + 1] = T(second); }
    }
}

// Heads of up to WIDTH features, a multiple of 16. `projected` is [tokens, 3 hidden]: queries, keys and values.
template <typename T, int WIDTH>
__device__ __forceinline__ void attend(const T *projected, T *output, const Tile *tiles, const Heads &heads,
                                       const Additions &more, unsigned char *shared) {
    constexpr int STEPS = WIDTH / 16;   // of the depth of scores
    constexpr int COLUMNS = WIDTH / 8;  // of the output, eight at a time
    constexpr int STAGE = KEYS * stride<WIDTH>();
    const Tile tile = tiles[blockIdx.x];
    const int head = blockIdx.y, thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    const int row_stride = 3 * heads.hidden;
    const T *sequence = projected + (size_t)tile.first_token * row_stride + head * heads.size;
    const T *keys = sequence + heads.hidden, *values = keys + heads.hidden;
    T *query_rows = reinterpret_cast<T *>(shared);
    T *key_rows = query_rows + QUERIES * stride<WIDTH>();
    T *value_rows = key_rows + 2 * STAGE;
    int first_key, end;
    keys_seen(tile, more.reach, first_key, end);

    auto begin_copy = [&](int key, int stage) {
        const size_t start = (size_t)key * row_stride;
        copy_rows<T, WIDTH>(key_rows + stage * STAGE, keys + start, tile.length - key, heads, thread);
        copy_rows<T, WIDTH>(value_rows + stage * STAGE, values + start, tile.length - key, heads, thread);
        copies_begun();
    };
    const int queries_left = tile.length - tile.first_query;
    copy_rows<T, WIDTH>(query_rows, sequence + (size_t)tile.first_query * row_stride, queries_left, heads, thread);
    begin_copy(first_key, 0);

    float sums[COLUMNS][4] = {};
    float largest[2] = {-INFINITY, -INFINITY}, total[2] = {0.0f, 0.0f};
    uint32_t query[STEPS][4];
    // Two rows of the tile are this lane's: its place in the matrix unit's layout.
    const int first_own = tile.first_query + warp * 16 + lane / 4;
    const int own_query[2] = {first_own, first_own + 8};
    int stage = 0;
    for (int key = first_key; key < end; key += KEYS, stage ^= 1) {
        if (key + KEYS < end) {
            begin_copy(key + KEYS, stage ^ 1);
            wait_for_copies<1>();
        } else {
            wait_for_copies<0>();
        }
        __syncthreads();
        if (key == first_key) {
#pragma unroll
            for (int step = 0; step < STEPS; ++step) {
                load_matrices(query[step], query_rows + (warp * 16 + lane % 16) * stride<WIDTH>() + step * 16 + lane / 16 * 8);
            }
        }
        const T *key_tile = key_rows + stage * STAGE, *value_tile = value_rows + stage * STAGE;
        float scores[KEYS / 8][4] = {};
#pragma unroll
        for (int step = 0; step < STEPS; ++step) {
#pragma unroll
            for (int pair = 0; pair < KEYS / 16; ++pair) {
                uint32_t right[4];
                const int row = pair * 16 + lane / 16 * 8 + lane % 8;
                load_matrices(right, key_tile + row * stride<WIDTH>() + step * 16 + lane / 8 % 2 * 8);
                multiply_add<T>(scores[2 * pair], query[step], right[0], right[1]);
                multiply_add<T>(scores[2 * pair + 1], query[step], right[2], right[3]);
            }
        }
        float most[2] = {largest[0], largest[1]};
#pragma unroll
        for (int eight = 0; eight < KEYS / 8; ++eight) {
#pragma unroll
            for (int at = 0; at < 4; ++at) {
                const int own = own_query[at / 2], other = key + eight * 8 + lane % 4 * 2 + at % 2;
                scores[eight][at] = whole_score<T>(scores[eight][at], own, other, tile, head, heads, more);
                most[at / 2] = fmaxf(most[at / 2], scores[eight][at]);
            }
        }
#pragma unroll
        for (int row = 0; row < 2; ++row) {
            most[row] = fmaxf(most[row], other_lane(most[row], 1));
            most[row] = fmaxf(most[row], other_lane(most[row], 2));
            // Of a row that has seen no key yet nothing is to be corrected, and infinities have no difference.
            const float correction = most[row] == -INFINITY ? 1.0f : power_of_2(largest[row] - most[row]);
            largest[row] = most[row];
            total[row] *= correction;
#pragma unroll
            for (int eight = 0; eight < COLUMNS; ++eight) {
                sums[eight][2 * row] *= correction;
                sums[eight][2 * row + 1] *= correction;
            }
        }
        uint32_t weights[KEYS / 16][4];
#pragma unroll
        for (int eight = 0; eight < KEYS / 8; ++eight) {
#pragma unroll
            for (int row = 0; row < 2; ++row) {
                const float zero = largest[row] == -INFINITY ? 0.0f : largest[row];
                const float a = power_of_2(scores[eight][2 * row] - zero), b = power_of_2(scores[eight][2 * row + 1] - zero);
                total[row] += a + b;
                weights[eight / 2][eight % 2 * 2 + row] = packed<T>(a, b);
            }
        }
#pragma unroll
        for (int step = 0; step < KEYS / 16; ++step) {
#pragma unroll
            for (int pair = 0; pair < WIDTH / 16; ++pair) {
                uint32_t right[4];
                load_turned(right, value_tile + (step * 16 + lane % 16) * stride<WIDTH>() + pair * 16 + lane / 16 * 8);
                multiply_add<T>(sums[2 * pair], weights[step], right[0], right[1]);
                multiply_add<T>(sums[2 * pair + 1], weights[step], right[2], right[3]);
            }
        }
        // All have read this stage before it is written again.
        __syncthreads();
    }
#pragma unroll
    for (int row = 0; row < 2; ++row) {
        total[row] += other_lane(total[row], 1);
        total[row] += other_lane(total[row], 2);
        if (own_query[row] >= tile.length) { continue; }
        T *into = output + (size_t)(tile.first_token + own_query[row]) * heads.hidden + head * heads.size;
        const float inverse = 1.0f / total[row];
#pragma unroll
        for (int eight = 0; eight < COLUMNS; ++eight) {
            const float first = sums[eight][2 * row] * inverse, second = sums[eight][2 * row + 1] * inverse;
            store_pair<T>(into, eight * 8 + lane % 4 * 2, heads.size, first, second);
        }
    }
}
