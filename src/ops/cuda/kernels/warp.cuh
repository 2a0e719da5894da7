// What the kernels are written in: numbers of half precision, the matrix unit of a warp, copies into
// shared memory that are waited for later. On a GPU these are instructions; in a host program
// (emulated.hpp) plain code does the same, thread by thread.
#pragma once

#ifdef SPANBENCH_EMULATED
#include "emulated.hpp"  // tests/emulated-gpu
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

// What the launch gave the block, whose size only that says.
#define SHARED_MEMORY(NAME) extern __shared__ __align__(16) unsigned char NAME[]

// Two numbers of a type in a register.
template <typename T> __device__ __forceinline__ uint32_t packed(float first, float second);
template <> __device__ __forceinline__ uint32_t packed<__half>(float first, float second) {
    __half2 both = __floats2half2_rn(first, second);
    return *reinterpret_cast<uint32_t *>(&both);
}
template <> __device__ __forceinline__ uint32_t packed<__nv_bfloat16>(float first, float second) {
    __nv_bfloat162 both = __floats2bfloat162_rn(first, second);
    return *reinterpret_cast<uint32_t *>(&both);
}

// sums (16 x 8, f32) += left (16 x 16, by rows) * right (16 x 8, by columns), all of a warp.
template <typename T>
__device__ __forceinline__ void multiply_add(float (&sums)[4], const uint32_t (&left)[4], uint32_t right0, uint32_t right1);
template <>
__device__ __forceinline__ void multiply_add<__half>(float (&sums)[4], const uint32_t (&left)[4], uint32_t right0, uint32_t right1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right0), "r"(right1));
}
template <>
__device__ __forceinline__ void multiply_add<__nv_bfloat16>(float (&sums)[4], const uint32_t (&left)[4], uint32_t right0, uint32_t right1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right0), "r"(right1));
}

// The same in whole numbers: left (16 x 32, from 0 to 255), right (32 x 8, from -128 to 127).
__device__ __forceinline__ void multiply_add_int8(int (&sums)[4], const uint32_t (&left)[4], uint32_t right0, uint32_t right1) {
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
                 : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right0), "r"(right1));
}

// Rounded before anything is added to it, which the compiler would do in one.
__device__ __forceinline__ float product_by_itself(float x, float y) { return __fmul_rn(x, y); }

__device__ __forceinline__ uint32_t shared_address(const void *pointer) {
    return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// Four 8 x 8 matrices of 16-bit numbers from shared memory; lane 8 m + r has the address of row r of matrix m.
__device__ __forceinline__ void load_matrices(uint32_t (&into)[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(into[0]), "=r"(into[1]), "=r"(into[2]), "=r"(into[3]) : "r"(shared_address(row)) : "memory");
}
// The same, each matrix turned.
__device__ __forceinline__ void load_turned(uint32_t (&into)[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(into[0]), "=r"(into[1]), "=r"(into[2]), "=r"(into[3]) : "r"(shared_address(row)) : "memory");
}

// Copies 16 bytes into shared memory, zeros where `there` is false; done when waited for.
__device__ __forceinline__ void copy_16(void *into, const void *from, bool there) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :: "r"(shared_address(into)), "l"(from), "r"(there ? 16 : 0) : "memory");
}
__device__ __forceinline__ void copies_begun() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until all groups of copies but the last `LEFT` are done.
template <int LEFT> __device__ __forceinline__ void wait_for_copies() { asm volatile("cp.async.wait_group %0;" :: "n"(LEFT) : "memory"); }

__device__ __forceinline__ float power_of_2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
// Of the four lanes that hold a row.
__device__ __forceinline__ float other_lane(float x, int lanes_away) { return __shfl_xor_sync(0xffffffffu, x, lanes_away); }
#endif
