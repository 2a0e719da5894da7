// The kernels by the names that the program loads them by: NAME_TYPE, attention with the width of its heads.
#include "attention.cuh"
#include "attention_f32.cuh"
#include "int8.cuh"
#include "rows.cuh"

#define ATTENTION(TYPE, T, WIDTH)                                                                                      \
    extern "C" __global__ void __launch_bounds__(WARPS * 32) attention_##TYPE##_##WIDTH(                               \
        const T *projected, T *output, const Tile *tiles, Heads heads, Additions more) {                               \
        SHARED_MEMORY(shared);                                                                                         \
        attend<T, WIDTH>(projected, output, tiles, heads, more, shared);                                               \
    }
#define ATTENTION_F32(WIDTH)                                                                                           \
    extern "C" __global__ void __launch_bounds__(F32_THREADS) attention_f32_##WIDTH(                                   \
        const float *projected, float *output, const Tile *tiles, Heads heads, Additions more) {                       \
        SHARED_MEMORY(shared);                                                                                         \
        attend_f32<WIDTH>(projected, output, tiles, heads, more, reinterpret_cast<float *>(shared));                   \
    }
ATTENTION(f16, __half, 32)
ATTENTION(f16, __half, 64)
ATTENTION(f16, __half, 96)
ATTENTION(f16, __half, 128)
ATTENTION(bf16, __nv_bfloat16, 32)
ATTENTION(bf16, __nv_bfloat16, 64)
ATTENTION(bf16, __nv_bfloat16, 96)
ATTENTION(bf16, __nv_bfloat16, 128)
ATTENTION_F32(32)
ATTENTION_F32(64)
ATTENTION_F32(96)
ATTENTION_F32(128)

// COUNT numbers at once: as many as 16 bytes hold (`wide`), or one.
#define PACKED_ROWS(TYPE, T, COUNT)                                                                                    \
    extern "C" __global__ void norm_##TYPE(const T *x, const T *residual, const float *weight, const float *bias,      \
                                           T *into, size_t rows, int features, float epsilon) {                        \
        const size_t row = blockIdx.x * (size_t)ROWS + threadIdx.x / 32;                                               \
        if (row >= rows) { return; }                                                                                   \
        const size_t start = row * features;                                                                           \
        norm_row<T, COUNT>(x + start, residual ? residual + start : nullptr, weight, bias, into + start, features,     \
                           epsilon, threadIdx.x % 32);                                                                 \
    }                                                                                                                  \
    extern "C" __global__ void activate_##TYPE(T *x, const float *bias, size_t packs, int columns, int activation) {   \
        activate<T, COUNT>(x, bias, packs, columns, activation);                                                       \
    }                                                                                                                  \
    extern "C" __global__ void add_##TYPE(const T *x, const T *y, T *into, size_t packs) {                             \
        add<T, COUNT>(x, y, into, packs);                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void gate_##TYPE(const T *x, T *into, size_t packs, int width, int activation) {             \
        gate<T, COUNT>(x, into, packs, width, activation);                                                             \
    }
PACKED_ROWS(f32, float, 1)
PACKED_ROWS(f32_wide, float, WIDE<float>)
PACKED_ROWS(f16, __half, 1)
PACKED_ROWS(f16_wide, __half, WIDE<__half>)
PACKED_ROWS(bf16, __nv_bfloat16, 1)
PACKED_ROWS(bf16_wide, __nv_bfloat16, WIDE<__nv_bfloat16>)

#define SINGLE_ROWS(TYPE, T)                                                                                           \
    extern "C" __global__ void rotate_##TYPE(T *projected, const unsigned *positions, const float *cosines,            \
                                             const float *sines, size_t tokens, Turned turned) {                       \
        rotate<T>(projected, positions, cosines, sines, tokens, turned);                                               \
    }                                                                                                                  \
    extern "C" __global__ void sum_rows_##TYPE(Lookups lookups, T *into, size_t rows, int features) {                  \
        const size_t row = blockIdx.x * (size_t)ROWS + threadIdx.x / 32;                                               \
        if (row < rows) { sum_rows<T>(lookups, into, row, features, threadIdx.x % 32); }                               \
    }                                                                                                                  \
    extern "C" __global__ void place_##TYPE(const T *x, T *into, size_t count, int width, int stride, int first) {     \
        place<T>(x, into, count, width, stride, first);                                                                \
    }
SINGLE_ROWS(f32, float)
SINGLE_ROWS(f16, __half)
SINGLE_ROWS(bf16, __nv_bfloat16)

#define INT8(TYPE, T)                                                                                                  \
    extern "C" __global__ void quantize_##TYPE(const T *x, const float *factors, unsigned char *codes, float *scales,  \
                                               int *zeros, size_t rows, int stride, int inputs, int padded) {          \
        const size_t row = blockIdx.x * (size_t)ROWS + threadIdx.x / 32;                                               \
        if (row >= rows) { return; }                                                                                   \
        quantize<T>(x + row * stride, factors, codes + row * padded, scales + row, zeros + row, inputs, padded,        \
                    threadIdx.x % 32);                                                                                 \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(INT8_THREADS) multiply_int8_##TYPE(Int8Product product, T *into) {    \
        SHARED_MEMORY(shared);                                                                                         \
        multiply_int8<T>(product, into, shared);                                                                       \
    }
INT8(f32, float)
INT8(f16, __half)
INT8(bf16, __nv_bfloat16)
