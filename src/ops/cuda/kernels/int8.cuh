// Dense layers in eight bits, the numbers of crate::ops::int8: codes of activations from 0 to 255 with a scale and a zero
// a token, codes of weights from -127 to 127 with a scale an output. Products are made by the matrix units and summed in
// whole numbers, exactly; what is rounded is rounded as in the portable form, each operation by itself.
#pragma once
#include "rows.cuh"

// Added to a number between 0 and 255, this rounds it to the nearest whole number, halves to even ones.
constexpr float ROUND = 12582912.0f;
constexpr float LARGEST_CODE = 255.0f;
constexpr float LEAST_NORMAL = 1.17549435e-38f;

// The codes of a warp's token, from its features times their factors; a scale that is no number where one of them is none.
template <typename T>
__device__ __forceinline__ void quantize(const T *x, const float *factors, unsigned char *codes, float *scale, int *zero,
                                         int inputs, int padded, int lane) {
    float least = 0.0f, largest = 0.0f, nothing = 0.0f;
    for (int at = lane; at < inputs; at += 32) {
        const float value = product_by_itself(read(x[at]), factors[at]);
        least = fminf(least, value);
        largest = fmaxf(largest, value);
        nothing += value - value;
    }
    for (int away = 16; away > 0; away /= 2) {
        least = fminf(least, other_lane(least, away));
        largest = fmaxf(largest, other_lane(largest, away));
        nothing += other_lane(nothing, away);
    }
    const float step = 1.0f / LARGEST_CODE;
    const float own_scale = product_by_itself(largest, step) - product_by_itself(least, step);
    const float inverse = 1.0f / fmaxf(own_scale, LEAST_NORMAL);
    const float own_zero = fminf(ROUND - product_by_itself(least, inverse), ROUND + LARGEST_CODE);
    for (int at = lane; at < padded; at += 32) {
        // Beyond the inputs weights are 0, whatever they are multiplied by.
        int code = 0;
        if (at < inputs) {
            const float value = product_by_itself(read(x[at]), factors[at]);
            const float moved = fminf(product_by_itself(value, inverse) + own_zero, ROUND + LARGEST_CODE);
            code = max((int)(moved - ROUND), 0);
        }
        codes[at] = (unsigned char)code;
    }
    if (lane == 0) {
        *scale = nothing == 0.0f ? own_scale : NAN;
        *zero = (int)(own_zero - ROUND);
    }
}

// A block has so many tokens and outputs, and goes through the inputs so many at a time.
constexpr int INT8_ROWS = 128, INT8_DEPTH = 64, INT8_STAGES = 3;
// Its warps: two by four, each with 64 tokens and 32 outputs.
constexpr int INT8_THREADS = 256, WARP_TOKENS = 64, WARP_OUTPUTS = 32;
// Bytes between rows in shared memory: an odd count of 16, so that no two of eight rows share a bank.
constexpr int INT8_STRIDE = INT8_DEPTH + 16, INT8_TILE = INT8_ROWS * INT8_STRIDE;

struct Int8Product {
    const unsigned char *codes;   // [tokens, padded]
    const float *token_scales;
    const int *zeros;
    const signed char *weights;   // [outputs, padded]
    const float *scales;
    const int *weight_sums;       // of the codes of each output
    const float *bias;            // of each output, or none
    int tokens, outputs, padded;  // padded to a multiple of INT8_DEPTH
    int stride;                   // numbers from one token's results to the next's
    int activation;
};

// Rows of codes from `first` on into shared memory, zeros where there is no such row.
template <typename C>
__device__ __forceinline__ void copy_codes(unsigned char *into, const C *from, int first, int rows, int padded, int depth) {
    constexpr int PARTS = INT8_DEPTH / 16;
    for (int part = threadIdx.x; part < INT8_ROWS * PARTS; part += INT8_THREADS) {
        const int row = part / PARTS, column = part % PARTS * 16;
        const bool there = first + row < rows;
        const C *source = from + (size_t)(first + row) * padded + depth + column;
        copy_16(into + row * INT8_STRIDE + column, there ? source : from, there);
    }
}

template <typename T>
__device__ __forceinline__ void store_results(const Int8Product &product, const int (&sums)[4], int token, int output, T *into) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const int row = token + i / 2 * 8, column = output + i % 2;
        if (row >= product.tokens || column >= product.outputs) { continue; }
        // Whole numbers of 32 bits add up to the right one whatever they were in between.
        const unsigned moved = (unsigned)product.zeros[row] * (unsigned)product.weight_sums[column];
        const float exact = (float)(int)((unsigned)sums[i] - moved);
        float result = product_by_itself(product_by_itself(exact, product.scales[column]), product.token_scales[row]);
        if (product.bias) { result += product.bias[column]; }
        into[(size_t)row * product.stride + column] = written<T>(activated(result, product.activation));
    }
}

template <typename T>
__device__ __forceinline__ void multiply_int8(const Int8Product &product, T *into, unsigned char *shared) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int first_token = blockIdx.y * INT8_ROWS, first_output = blockIdx.x * INT8_ROWS;
    const int steps = product.padded / INT8_DEPTH;
    auto begin_copy = [&](int step) {
        if (step < steps) {
            unsigned char *stage = shared + step % INT8_STAGES * 2 * INT8_TILE;
            copy_codes(stage, product.codes, first_token, product.tokens, product.padded, step * INT8_DEPTH);
            copy_codes(stage + INT8_TILE, product.weights, first_output, product.outputs, product.padded, step * INT8_DEPTH);
        }
        copies_begun();
    };
    for (int step = 0; step < INT8_STAGES - 1; ++step) { begin_copy(step); }
    int sums[WARP_TOKENS / 16][WARP_OUTPUTS / 8][4] = {};
    const int warp_token = warp / 4 * WARP_TOKENS, warp_output = warp % 4 * WARP_OUTPUTS;
    for (int step = 0; step < steps; ++step) {
        wait_for_copies<INT8_STAGES - 2>();
        // All have what was copied, and all are done with the stage that is copied into next.
        __syncthreads();
        begin_copy(step + INT8_STAGES - 1);
        const unsigned char *tokens = shared + step % INT8_STAGES * 2 * INT8_TILE, *outputs = tokens + INT8_TILE;
#pragma unroll
        for (int depth = 0; depth < INT8_DEPTH; depth += 32) {
            uint32_t left[WARP_TOKENS / 16][4];
#pragma unroll
            for (int tile = 0; tile < WARP_TOKENS / 16; ++tile) {
                load_matrices(left[tile], tokens + (warp_token + tile * 16 + lane % 16) * INT8_STRIDE + depth + lane / 16 * 16);
            }
#pragma unroll
            for (int pair = 0; pair < WARP_OUTPUTS / 16; ++pair) {
                uint32_t right[4];
                const int row = warp_output + pair * 16 + lane / 16 * 8 + lane % 8;
                load_matrices(right, outputs + row * INT8_STRIDE + depth + lane / 8 % 2 * 16);
#pragma unroll
                for (int tile = 0; tile < WARP_TOKENS / 16; ++tile) {
                    multiply_add_int8(sums[tile][2 * pair], left[tile], right[0], right[1]);
                    multiply_add_int8(sums[tile][2 * pair + 1], left[tile], right[2], right[3]);
                }
            }
        }
    }
#pragma unroll
    for (int tile = 0; tile < WARP_TOKENS / 16; ++tile) {
#pragma unroll
        for (int eight = 0; eight < WARP_OUTPUTS / 8; ++eight) {
            store_results(product, sums[tile][eight], first_token + warp_token + tile * 16 + lane / 4,
                          first_output + warp_output + eight * 8 + lane % 4 * 2, into);
        }
    }
}
