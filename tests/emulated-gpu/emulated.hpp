// What warp.cuh has instructions for, in plain C++: numbers of half precision, the matrix unit of a warp, exchanges among
// its lanes. Copies are done at once.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "fibers.hpp"

#define __device__
#define __host__
#define __forceinline__ inline
#define __global__
#define __launch_bounds__(THREADS)
#define SHARED_MEMORY(NAME) unsigned char *NAME = own_block->shared()
using std::abs;
using std::max;
using std::min;

inline void __syncthreads() { own_block->wait_for_all(); }
inline int own_lane() { return threadIdx.x % 32; }

inline uint32_t bits_of(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return bits;
}
inline float float_of(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}

struct __nv_bfloat16 {
    uint16_t bits;
    __nv_bfloat16() = default;
    explicit __nv_bfloat16(float x) {
        const uint32_t wide = bits_of(x);
        bits = std::isnan(x) ? 0x7fff : (uint16_t)((wide + 0x7fff + (wide >> 16 & 1)) >> 16);
    }
    operator float() const { return float_of((uint32_t)bits << 16); }
};
struct __half {
    uint16_t bits;
    __half() = default;
    explicit __half(float x) {
        const _Float16 half = (_Float16)x;
        std::memcpy(&bits, &half, 2);
    }
    operator float() const {
        _Float16 half;
        std::memcpy(&half, &bits, 2);
        return (float)half;
    }
};

template <typename T> inline uint32_t packed(float first, float second) {
    return (uint32_t)T(first).bits | (uint32_t)T(second).bits << 16;
}
template <typename T> inline float half_of(uint32_t both, int which) {
    T number;
    number.bits = (uint16_t)(both >> 16 * which);
    return number;
}

// The layout of mma.m16n8k16 in the PTX manual.
template <typename T>
inline void multiply_add(float (&sums)[4], const uint32_t (&left)[4], uint32_t right0, uint32_t right1) {
    Warp &warp = own_block->warp();
    const int lane = own_lane(), group = lane / 4, pair = lane % 4;
    for (int i = 0; i < 4; ++i) { warp.numbers[lane][i] = left[i]; }
    warp.numbers[lane][4] = right0;
    warp.numbers[lane][5] = right1;
    own_block->wait(warp.meeting);
    auto left_at = [&](int row, int depth) {
        return half_of<T>(warp.numbers[row % 8 * 4 + depth % 8 / 2][row / 8 + depth / 8 * 2], depth % 2);
    };
    auto right_at = [&](int depth, int column) {
        return half_of<T>(warp.numbers[column * 4 + depth % 8 / 2][4 + depth / 8], depth % 2);
    };
    for (int i = 0; i < 4; ++i) {
        const int row = group + i / 2 * 8, column = pair * 2 + i % 2;
        for (int depth = 0; depth < 16; ++depth) { sums[i] += left_at(row, depth) * right_at(depth, column); }
    }
    own_block->wait(warp.meeting);
}

// The layout of mma.m16n8k32 for bytes in the PTX manual.
inline void multiply_add_int8(int (&sums)[4], const uint32_t (&left)[4], uint32_t right0, uint32_t right1) {
    Warp &warp = own_block->warp();
    const int lane = own_lane(), group = lane / 4, pair = lane % 4;
    for (int i = 0; i < 4; ++i) { warp.numbers[lane][i] = left[i]; }
    warp.numbers[lane][4] = right0;
    warp.numbers[lane][5] = right1;
    own_block->wait(warp.meeting);
    auto byte = [](uint32_t four, int which) { return (uint8_t)(four >> 8 * which); };
    for (int i = 0; i < 4; ++i) {
        const int row = group + i / 2 * 8, column = pair * 2 + i % 2;
        for (int depth = 0; depth < 32; ++depth) {
            const int own = depth % 16 / 4, half = depth / 16;
            const uint8_t a = byte(warp.numbers[row % 8 * 4 + own][row / 8 + half * 2], depth % 4);
            const int8_t b = (int8_t)byte(warp.numbers[column * 4 + own][4 + half], depth % 4);
            sums[i] = (int)((unsigned)sums[i] + (unsigned)((int)a * (int)b));
        }
    }
    own_block->wait(warp.meeting);
}

// Compiled for no processor that adds in the same step.
inline float product_by_itself(float x, float y) { return x * y; }

inline void exchange_rows(uint32_t (&into)[4], const void *row, bool turned) {
    Warp &warp = own_block->warp();
    const int lane = own_lane();
    warp.rows[lane] = row;
    own_block->wait(warp.meeting);
    for (int matrix = 0; matrix < 4; ++matrix) {
        uint16_t both[2];
        for (int i = 0; i < 2; ++i) {
            const int at = lane % 4 * 2 + i, other = lane / 4;
            const int from = turned ? at : other, column = turned ? other : at;
            std::memcpy(&both[i], (const char *)warp.rows[matrix * 8 + from] + 2 * column, 2);
        }
        into[matrix] = both[0] | (uint32_t)both[1] << 16;
    }
    own_block->wait(warp.meeting);
}
inline void load_matrices(uint32_t (&into)[4], const void *row) { exchange_rows(into, row, false); }
inline void load_turned(uint32_t (&into)[4], const void *row) { exchange_rows(into, row, true); }

inline void copy_16(void *into, const void *from, bool there) {
    if (((uintptr_t)into | (uintptr_t)from) % 16 != 0) {
        std::fprintf(stderr, "emulated GPU: a copy of 16 bytes that are not aligned\n");
        std::abort();
    }
    if (there) { std::memcpy(into, from, 16); } else { std::memset(into, 0, 16); }
}
inline void copies_begun() {}
template <int LEFT> inline void wait_for_copies() {}
inline float power_of_2(float x) { return std::exp2(x); }
inline float other_lane(float x, int lanes_away) {
    Warp &warp = own_block->warp();
    const int lane = own_lane();
    warp.numbers[lane][0] = bits_of(x);
    own_block->wait(warp.meeting);
    const float other = float_of(warp.numbers[lane ^ lanes_away][0]);
    own_block->wait(warp.meeting);
    return other;
}
