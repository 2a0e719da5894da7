// What is done to each token's features on their own: norms, activations, sums, gates, rotations, tables. All is
// computed in f32. What leaves the range of f16 is held at its ends, as in the portable form: where it is written, and
// where it is read, for products of matrices are stored as infinities then.
#pragma once
#include "warp.cuh"

constexpr int ROWS = 4;  // of a block: a warp has one
constexpr unsigned NO_ROW = 0xffffffffu;

enum Activation { NONE, GELU, GELU_TANH, RELU, SILU, TANH };

__device__ __forceinline__ float activated(float x, int activation) {
    switch (activation) {
    case GELU: return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    case GELU_TANH: return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    // NaN stays NaN.
    case RELU: return x < 0.0f ? 0.0f : x;
    case SILU: return x / (1.0f + expf(-x));
    case TANH: return tanhf(x);
    default: return x;
    }
}

// Within the range of f16, where that is what T is; NaN is not less than anything and stays NaN.
template <typename T> __device__ __forceinline__ float within_range(float x) { return x; }
template <> __device__ __forceinline__ float within_range<__half>(float x) {
    return x > 65504.0f ? 65504.0f : x < -65504.0f ? -65504.0f : x;
}
template <typename T> __device__ __forceinline__ float read(T x) { return within_range<T>((float)x); }
template <typename T> __device__ __forceinline__ T written(float x) { return T(within_range<T>(x)); }

// Numbers that are read and written at once: 16 bytes, or one where rows are no multiple of that.
template <typename T, int COUNT> struct alignas(sizeof(T) * COUNT) Pack { T at[COUNT]; };
template <typename T> constexpr int WIDE = 16 / sizeof(T);

__device__ __forceinline__ float sum_of_warp(float x) {
    for (int away = 16; away > 0; away /= 2) { x += other_lane(x, away); }
    return x;
}

// A warp's row of x, or of x + residual: (v - mean) / sqrt(variance + epsilon) * weight + bias; where epsilon is less
// than 0, v * weight + bias.
template <typename T, int COUNT>
__device__ __forceinline__ void norm_row(const T *x, const T *residual, const float *weight, const float *bias, T *into,
                                         int features, float epsilon, int lane) {
    using Numbers = Pack<T, COUNT>;
    auto each = [&](auto &&use) {
        for (int at = lane * COUNT; at < features; at += 32 * COUNT) {
            const Numbers own = *reinterpret_cast<const Numbers *>(x + at);
            Numbers other{};
            if (residual) { other = *reinterpret_cast<const Numbers *>(residual + at); }
            float values[COUNT];
#pragma unroll
            for (int i = 0; i < COUNT; ++i) { values[i] = read(own.at[i]) + (residual ? read(other.at[i]) : 0.0f); }
            use(at, values);
        }
    };
    float mean = 0.0f, scale = 1.0f;
    if (epsilon >= 0.0f) {
        float sum = 0.0f, squares = 0.0f;
        each([&](int, const float(&values)[COUNT]) {
#pragma unroll
            for (int i = 0; i < COUNT; ++i) { sum += values[i]; }
        });
        mean = sum_of_warp(sum) / features;
        each([&](int, const float(&values)[COUNT]) {
#pragma unroll
            for (int i = 0; i < COUNT; ++i) { squares += (values[i] - mean) * (values[i] - mean); }
        });
        scale = 1.0f / sqrtf(sum_of_warp(squares) / features + epsilon);
    }
    each([&](int at, const float(&values)[COUNT]) {
        Numbers normal;
#pragma unroll
        for (int i = 0; i < COUNT; ++i) { normal.at[i] = written<T>((values[i] - mean) * scale * weight[at + i] + bias[at + i]); }
        *reinterpret_cast<Numbers *>(into + at) = normal;
    });
}

// Gives each of `count` packs to a thread in turn.
template <typename Use> __device__ __forceinline__ void for_each(size_t count, const Use &use) {
    const size_t stride = (size_t)gridDim.x * blockDim.x;
    for (size_t at = blockIdx.x * (size_t)blockDim.x + threadIdx.x; at < count; at += stride) { use(at); }
}

// Adds each column's bias, where there is one, and applies the activation, in place.
template <typename T, int COUNT>
__device__ __forceinline__ void activate(T *x, const float *bias, size_t packs, int columns, int activation) {
    for_each(packs, [&](size_t pack) {
        Pack<T, COUNT> &own = reinterpret_cast<Pack<T, COUNT> *>(x)[pack];
        Pack<T, COUNT> numbers = own;
        const int column = (int)(pack * COUNT % columns);
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            numbers.at[i] = written<T>(activated(read(numbers.at[i]) + (bias ? bias[column + i] : 0.0f), activation));
        }
        own = numbers;
    });
}

template <typename T, int COUNT> __device__ __forceinline__ void add(const T *x, const T *y, T *into, size_t packs) {
    for_each(packs, [&](size_t pack) {
        const Pack<T, COUNT> a = reinterpret_cast<const Pack<T, COUNT> *>(x)[pack];
        const Pack<T, COUNT> b = reinterpret_cast<const Pack<T, COUNT> *>(y)[pack];
        Pack<T, COUNT> sum;
#pragma unroll
        for (int i = 0; i < COUNT; ++i) { sum.at[i] = written<T>(read(a.at[i]) + read(b.at[i])); }
        reinterpret_cast<Pack<T, COUNT> *>(into)[pack] = sum;
    });
}

// Of rows [input, gate], each `width` wide: activation(input) * gate.
template <typename T, int COUNT>
__device__ __forceinline__ void gate(const T *x, T *into, size_t packs, int width, int activation) {
    for_each(packs, [&](size_t pack) {
        const size_t row = pack * COUNT / width, column = pack * COUNT % width;
        const T *input = x + row * 2 * width + column;
        const Pack<T, COUNT> a = *reinterpret_cast<const Pack<T, COUNT> *>(input);
        const Pack<T, COUNT> b = *reinterpret_cast<const Pack<T, COUNT> *>(input + width);
        Pack<T, COUNT> gated;
#pragma unroll
        for (int i = 0; i < COUNT; ++i) { gated.at[i] = written<T>(activated(read(a.at[i]), activation) * read(b.at[i])); }
        reinterpret_cast<Pack<T, COUNT> *>(into)[pack] = gated;
    });
}

// The features of heads that are turned by their token's position, in pairs.
struct Turned {
    int hidden;  // features of a token, in each of queries, keys and values
    int pairs;   // of a head
    int parts;   // of queries, keys and values: the first two, or all
    int halves;  // whether a feature's partner is in the other half of the head, or beside it
};

// Turns pairs of features of `projected`, [tokens, 3 hidden], in place. The tables are [positions, pairs].
template <typename T>
__device__ __forceinline__ void rotate(T *projected, const unsigned *positions, const float *cosines, const float *sines,
                                       size_t tokens, const Turned &turned) {
    const int pairs = turned.pairs, per_token = turned.parts * (turned.hidden / 2);
    for_each(tokens * per_token, [&](size_t at) {
        const size_t token = at / per_token;
        const int head = at % per_token / pairs, pair = at % per_token % pairs;
        T *first = projected + token * 3 * turned.hidden + head * 2 * pairs + (turned.halves ? pair : 2 * pair);
        T *second = first + (turned.halves ? pairs : 1);
        const size_t angle = (size_t)positions[token] * pairs + pair;
        const float a = read(*first), b = read(*second);
        *first = written<T>(a * cosines[angle] - b * sines[angle]);
        *second = written<T>(b * cosines[angle] + a * sines[angle]);
    });
}

// Rows of up to four tables that are summed; a row that there is not is 0.
struct Lookups {
    const void *tables[4];
    const unsigned *ids[4];
    int count;
};

// A warp's row of the sum.
template <typename T>
__device__ __forceinline__ void sum_rows(const Lookups &lookups, T *into, size_t row, int features, int lane) {
    for (int at = lane; at < features; at += 32) {
        float sum = 0.0f;
        for (int table = 0; table < lookups.count; ++table) {
            const unsigned id = lookups.ids[table][row];
            if (id != NO_ROW) { sum += read(((const T *)lookups.tables[table])[(size_t)id * features + at]); }
        }
        into[row * features + at] = written<T>(sum);
    }
}

// Puts rows of `width` numbers into those of a wider matrix.
template <typename T>
__device__ __forceinline__ void place(const T *x, T *into, size_t count, int width, int stride, int first) {
    for_each(count, [&](size_t at) { into[at / width * stride + first + at % width] = x[at]; });
}
