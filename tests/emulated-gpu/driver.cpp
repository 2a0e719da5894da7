// What the program calls of NVIDIA's driver, on a GPU that is not there: memory is the program's own, kernels are those
// of kernels.cpp, and all is done at once. Numbers of attributes and errors are those of cuda.h.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <sys/mman.h>

#include "kernels.hpp"

namespace {

constexpr int SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 101, NOT_FOUND = 500, NOT_SUPPORTED = 801;
constexpr size_t PAGE = 4096;
constexpr size_t TOTAL_BYTES = (size_t)8 << 30;

struct Allocation {
    char *pages;
    size_t mapped, bytes;
};
std::mutex guard;
std::map<uint64_t, Allocation> allocations;
uint64_t allocated = 0, most_allocated = 0;

// Memory that ends where none may be touched, and is full of NaN.
int allocate(uint64_t *address, size_t bytes) {
    const size_t room = (bytes + 15) / 16 * 16, pages = (room + PAGE - 1) / PAGE * PAGE;
    std::lock_guard<std::mutex> lock(guard);
    if (allocated + bytes > TOTAL_BYTES) { return OUT_OF_MEMORY; }
    void *mapped = mmap(nullptr, pages + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) { return OUT_OF_MEMORY; }
    char *start = (char *)mapped;
    mprotect(start + pages, PAGE, PROT_NONE);
    std::memset(start, 0xff, pages);
    *address = (uint64_t)(start + pages - room);
    allocations[*address] = {start, pages + PAGE, bytes};
    allocated += bytes;
    most_allocated = std::max(most_allocated, allocated);
    return SUCCESS;
}

int release(uint64_t address) {
    std::lock_guard<std::mutex> lock(guard);
    auto found = allocations.find(address);
    if (found == allocations.end()) { return INVALID_VALUE; }
    allocated -= found->second.bytes;
    munmap(found->second.pages, found->second.mapped);
    allocations.erase(found);
    return SUCCESS;
}

int copy(uint64_t into, const void *from, size_t bytes) {
    std::memmove((void *)into, from, bytes);
    return SUCCESS;
}

} // namespace

extern "C" {

int cuInit(unsigned) { return SUCCESS; }
int cuDeviceGet(int *device, int number) {
    *device = number;
    return number == 0 ? SUCCESS : NO_DEVICE;
}
int cuDeviceGetCount(int *count) {
    *count = 1;
    return SUCCESS;
}
int cuDeviceGetName(char *name, int length, int) {
    std::snprintf(name, length, "emulated GPU");
    return SUCCESS;
}
int cuDeviceGetUuid_v2(unsigned char *uuid, int) {
    for (int at = 0; at < 16; ++at) { uuid[at] = (unsigned char)(0x11 * at); }
    return SUCCESS;
}
int cuDeviceTotalMem_v2(size_t *bytes, int) {
    *bytes = TOTAL_BYTES;
    return SUCCESS;
}
int cuDeviceGetAttribute(int *value, int attribute, int) {
    switch (attribute) {
    case 75: *value = 9; break;   // major compute capability
    case 76: *value = 0; break;   // minor
    case 115: *value = 1; break;  // memory pools
    default: *value = 1;
    }
    return SUCCESS;
}
int cuDevicePrimaryCtxRetain(void **context, int) {
    *context = (void *)&allocations;
    return SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
int cuCtxGetCurrent(void **context) {
    *context = (void *)&allocations;
    return SUCCESS;
}
int cuCtxSetCurrent(void *) { return SUCCESS; }
int cuCtxSynchronize() { return SUCCESS; }
int cuCtxDestroy_v2(void *) { return SUCCESS; }
int cuGetErrorName(int, const char **name) {
    *name = "error of the emulated GPU";
    return SUCCESS;
}
int cuGetErrorString(int error, const char **text) {
    switch (error) {
    case INVALID_VALUE: *text = "invalid argument"; break;
    case OUT_OF_MEMORY: *text = "out of memory"; break;
    case NO_DEVICE: *text = "invalid device ordinal"; break;
    case NOT_FOUND: *text = "named symbol not found"; break;
    default: *text = "unknown error";
    }
    return SUCCESS;
}

int cuStreamCreate(void **stream, unsigned) {
    *stream = std::malloc(1);
    return SUCCESS;
}
int cuStreamDestroy_v2(void *stream) {
    std::free(stream);
    return SUCCESS;
}
int cuStreamSynchronize(void *) { return SUCCESS; }
int cuStreamWaitEvent(void *, void *, unsigned) { return SUCCESS; }
int cuStreamIsCapturing(void *, int *status) {
    *status = 0;
    return SUCCESS;
}
int cuEventCreate(void **event, unsigned) {
    *event = new std::chrono::steady_clock::time_point;
    return SUCCESS;
}
int cuEventDestroy_v2(void *event) {
    delete (std::chrono::steady_clock::time_point *)event;
    return SUCCESS;
}
int cuEventRecord(void *event, void *) {
    *(std::chrono::steady_clock::time_point *)event = std::chrono::steady_clock::now();
    return SUCCESS;
}
int cuEventSynchronize(void *) { return SUCCESS; }
int cuEventQuery(void *) { return SUCCESS; }
int cuEventElapsedTime_v2(float *ms, void *start, void *end) {
    using Time = std::chrono::steady_clock::time_point;
    *ms = std::chrono::duration<float, std::milli>(*(Time *)end - *(Time *)start).count();
    return SUCCESS;
}

int cuMemAllocAsync(uint64_t *address, size_t bytes, void *) { return allocate(address, bytes); }
int cuMemFreeAsync(uint64_t address, void *) { return release(address); }
int cuMemAlloc_v2(uint64_t *address, size_t bytes) { return allocate(address, bytes); }
int cuMemFree_v2(uint64_t address) { return release(address); }
int cuMemGetInfo_v2(size_t *free, size_t *total) {
    *free = TOTAL_BYTES - allocated;
    *total = TOTAL_BYTES;
    return SUCCESS;
}
int cuDeviceGetDefaultMemPool(void **pool, int) {
    *pool = (void *)&allocations;
    return SUCCESS;
}
int cuMemPoolGetAttribute(void *, int attribute, void *value) {
    if (attribute != 8) { return INVALID_VALUE; }
    *(uint64_t *)value = most_allocated;  // CU_MEMPOOL_ATTR_USED_MEM_HIGH
    return SUCCESS;
}
int cuMemPoolSetAttribute(void *, int attribute, void *value) {
    if (attribute == 8) {
        if (*(uint64_t *)value != 0) { return INVALID_VALUE; }
        most_allocated = allocated;
    }
    return SUCCESS;
}
int cuMemcpyHtoDAsync_v2(uint64_t into, const void *from, size_t bytes, void *) { return copy(into, from, bytes); }
int cuMemcpyDtoHAsync_v2(void *into, uint64_t from, size_t bytes, void *) {
    return copy((uint64_t)into, (const void *)from, bytes);
}
int cuMemcpyDtoDAsync_v2(uint64_t into, uint64_t from, size_t bytes, void *) {
    return copy(into, (const void *)from, bytes);
}
int cuMemsetD8Async(uint64_t into, unsigned char value, size_t bytes, void *) {
    std::memset((void *)into, value, bytes);
    return SUCCESS;
}

int cuModuleLoadData(void **module, const void *) {
    *module = std::malloc(1);
    return SUCCESS;
}
int cuModuleLoad(void **, const char *) { return NOT_SUPPORTED; }
int cuMemcpyPeerAsync(uint64_t, void *, uint64_t, void *, size_t, void *) { return NOT_SUPPORTED; }
int cuModuleUnload(void *module) {
    std::free(module);
    return SUCCESS;
}
int cuModuleGetFunction(void **function, void *, const char *name) {
    *function = (void *)find_kernel(name);
    if (*function) { return SUCCESS; }
    std::fprintf(stderr, "emulated GPU: no kernel is called %s\n", name);
    return NOT_FOUND;
}
int cuFuncSetAttribute(void *, int, int) { return SUCCESS; }
int cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned x, unsigned y, unsigned z,
                   unsigned shared_bytes, void *, void **arguments, void **) {
    if (grid_x == 0 || grid_y == 0 || grid_z == 0 || x == 0 || x * y * z > 1024 || y * z != 1) { return INVALID_VALUE; }
    run_kernel(*(const Kernel *)function, {grid_x, grid_y, grid_z}, {x, y, z}, shared_bytes, arguments);
    return SUCCESS;
}

// Random numbers, which only the handle is made of.
int curandCreateGenerator(void **generator, int) {
    *generator = std::malloc(1);
    return SUCCESS;
}
int curandDestroyGenerator(void *generator) {
    std::free(generator);
    return SUCCESS;
}
int curandSetPseudoRandomGeneratorSeed(void *, unsigned long long) { return SUCCESS; }
int curandSetStream(void *, void *) { return SUCCESS; }
}
