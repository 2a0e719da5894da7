// What the program calls of NVIDIA's driver, on GPUs that are not there: memory is the program's own, kernels are those
// of kernels.cpp. What a stream is asked for is done as late as it may be, when somebody waits for it: what the program
// touches too early is then not there yet. Numbers of attributes and errors are those of cuda.h.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <sys/mman.h>
#include <vector>

#include "kernels.hpp"
#include "stream.hpp"

namespace {

constexpr int SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 101, NOT_FOUND = 500, NOT_READY = 600,
              NOT_SUPPORTED = 801, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901;
constexpr size_t PAGE = 4096;
// Of a card.
size_t total_bytes() {
    static const char *const told = std::getenv("SPANBENCH_EMULATED_BYTES");
    return told ? std::strtoull(told, nullptr, 10) : (size_t)8 << 30;
}

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
    if (allocated + bytes > total_bytes()) { return OUT_OF_MEMORY; }
    if (is_idle()) {
        // Nobody touches it.
        static uint64_t next = (uint64_t)1 << 48;
        *address = next;
        next += std::max(pages, PAGE);
        allocations[*address] = {nullptr, 0, bytes};
    } else {
        void *mapped = mmap(nullptr, pages + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapped == MAP_FAILED) { return OUT_OF_MEMORY; }
        char *start = (char *)mapped;
        mprotect(start + pages, PAGE, PROT_NONE);
        std::memset(start, 0xff, pages);
        *address = (uint64_t)(start + pages - room);
        allocations[*address] = {start, pages + PAGE, bytes};
    }
    allocated += bytes;
    most_allocated = std::max(most_allocated, allocated);
    return SUCCESS;
}

// Memory that is given back is the pool's at once; its pages are there until the stream has come so far.
int release(uint64_t address, Stream &stream) {
    std::lock_guard<std::mutex> lock(guard);
    auto found = allocations.find(address);
    if (found == allocations.end()) { return INVALID_VALUE; }
    const Allocation own = found->second;
    allocated -= own.bytes;
    allocations.erase(found);
    if (own.pages) { stream.later([own] { munmap(own.pages, own.mapped); }); }
    return SUCCESS;
}

// The computer's own memory that devices copy from and to by themselves: where each begins, and its end.
std::map<uintptr_t, uintptr_t> pinned;
bool is_pinned(const void *address, size_t bytes) {
    std::lock_guard<std::mutex> lock(guard);
    auto after = pinned.upper_bound((uintptr_t)address);
    return after != pinned.begin() && (uintptr_t)address + bytes <= (--after)->second;
}

// The memory of what was recorded: taken once, and there as long as the recording.
struct Graph {
    std::unique_ptr<Recording> recording;
    std::vector<Allocation> memory;
    size_t bytes = 0;
};
// What is recorded now has taken, and not given back yet.
std::map<uint64_t, Allocation> taken;
std::vector<Allocation> given_back;
uint64_t graph_bytes = 0, most_graph_bytes = 0;

// As `allocate`, of memory that is the recording's. What it gives back is full of NaN whenever it begins.
int allocate_recorded(uint64_t *address, size_t bytes) {
    const int done = allocate(address, bytes);
    if (done != SUCCESS) { return done; }
    std::lock_guard<std::mutex> lock(guard);
    taken[*address] = allocations[*address];
    allocations.erase(*address);
    allocated -= bytes;
    return SUCCESS;
}

int release_recorded(uint64_t address) {
    std::lock_guard<std::mutex> lock(guard);
    auto found = taken.find(address);
    // What was there before cannot be given back by a recording.
    if (found == taken.end()) { return INVALID_VALUE; }
    given_back.push_back(found->second);
    taken.erase(found);
    return SUCCESS;
}

int refuse_recording(Stream &stream) {
    stream.spoil();
    return CAPTURE_UNSUPPORTED;
}

// Whether recordings fail when they are nearly over.
bool refuses_graphs() {
    static const bool told = std::getenv("SPANBENCH_EMULATED_NO_GRAPHS") != nullptr;
    return told;
}

std::mutex streams_guard;
std::set<Stream *> streams;
Stream default_stream;

Stream &stream_at(void *handle) { return handle ? *(Stream *)handle : default_stream; }

struct Event {
    Stream *stream = nullptr;
    bool done = true;
    std::chrono::steady_clock::time_point moment;
};

int copy_later(uint64_t into, uint64_t from, size_t bytes, void *stream) {
    stream_at(stream).compute([=] { std::memmove((void *)into, (const void *)from, bytes); });
    return SUCCESS;
}

int device_count() {
    const char *count = std::getenv("SPANBENCH_EMULATED_CARDS");
    return count ? std::atoi(count) : 1;
}

} // namespace

extern "C" {

int cuInit(unsigned) { return SUCCESS; }
int cuDeviceGet(int *device, int number) {
    *device = number;
    return number >= 0 && number < device_count() ? SUCCESS : NO_DEVICE;
}
int cuDeviceGetCount(int *count) {
    *count = device_count();
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
    *bytes = total_bytes();
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
int cuCtxSynchronize() {
    std::lock_guard<std::mutex> lock(streams_guard);
    for (Stream *stream : streams) { stream->finish(); }
    return SUCCESS;
}
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
    case CAPTURE_INVALIDATED: *text = "operation failed due to a previous error during capture"; break;
    case CAPTURE_UNSUPPORTED: *text = "operation not permitted when stream is capturing"; break;
    case NOT_FOUND: *text = "named symbol not found"; break;
    default: *text = "unknown error";
    }
    return SUCCESS;
}

int cuStreamCreate(void **stream, unsigned) {
    std::lock_guard<std::mutex> lock(streams_guard);
    *stream = *streams.insert(new Stream).first;
    return SUCCESS;
}
int cuStreamDestroy_v2(void *handle) {
    // It stays, for events may name it.
    ((Stream *)handle)->finish();
    return SUCCESS;
}
int cuStreamSynchronize(void *stream) {
    if (stream_at(stream).is_recording()) { return refuse_recording(stream_at(stream)); }
    stream_at(stream).finish();
    return SUCCESS;
}
int cuStreamBeginCapture_v2(void *stream, int) {
    stream_at(stream).record();
    return SUCCESS;
}
int cuStreamEndCapture(void *stream, void **graph) {
    const bool spoilt = stream_at(stream).is_spoilt();
    auto recording = stream_at(stream).recorded();
    std::lock_guard<std::mutex> lock(guard);
    if (spoilt) {
        *graph = nullptr;
        taken.clear();
        given_back.clear();
        return CAPTURE_INVALIDATED;
    }
    Graph *made = new Graph{std::move(recording), std::move(given_back)};
    given_back.clear();
    for (const Allocation &own : made->memory) { made->bytes += own.bytes; }
    // A second beginning would find what is not given back still taken.
    const bool whole = taken.empty();
    taken.clear();
    *graph = made;
    return whole ? SUCCESS : INVALID_VALUE;
}
int cuGraphInstantiateWithFlags(void **ready, void *graph, unsigned long long flags) {
    if (flags) { return NOT_SUPPORTED; }
    std::lock_guard<std::mutex> lock(guard);
    graph_bytes += ((Graph *)graph)->bytes;
    most_graph_bytes = std::max(most_graph_bytes, graph_bytes);
    *ready = graph;
    return SUCCESS;
}
int cuGraphLaunch(void *ready, void *handle) {
    const Graph &graph = *(Graph *)ready;
    Stream &stream = stream_at(handle);
    stream.compute([&graph] {
        for (const Allocation &own : graph.memory) {
            if (own.pages) { std::memset(own.pages, 0xff, own.mapped - PAGE); }
        }
    });
    for (const auto &work : *graph.recording) { stream.later(work); }
    return SUCCESS;
}
int cuGraphExecDestroy(void *ready) {
    std::lock_guard<std::mutex> lock(guard);
    graph_bytes -= ((Graph *)ready)->bytes;
    return SUCCESS;
}
int cuGraphDestroy(void *handle) {
    cuCtxSynchronize();
    Graph *graph = (Graph *)handle;
    for (const Allocation &own : graph->memory) {
        if (own.pages) { munmap(own.pages, own.mapped); }
    }
    delete graph;
    return SUCCESS;
}
int cuDeviceGetGraphMemAttribute(int, int attribute, void *value) {
    switch (attribute) {
    case 3:  // CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH
        *(uint64_t *)value = most_graph_bytes;
        return SUCCESS;
    default: return INVALID_VALUE;
    }
}
int cuDeviceGraphMemTrim(int) { return SUCCESS; }
int cuDeviceSetGraphMemAttribute(int, int attribute, void *value) {
    if (attribute != 3 || *(uint64_t *)value != 0) { return INVALID_VALUE; }
    most_graph_bytes = graph_bytes;
    return SUCCESS;
}
int cuStreamWaitEvent(void *, void *, unsigned) { return NOT_SUPPORTED; }
int cuStreamIsCapturing(void *stream, int *status) {
    *status = stream_at(stream).is_spoilt() ? 2 : stream_at(stream).is_recording();
    return SUCCESS;
}
int cuEventCreate(void **event, unsigned) {
    *event = new Event;
    return SUCCESS;
}
int cuEventDestroy_v2(void *handle) {
    Event *event = (Event *)handle;
    // Nobody waits for what it was to tell of.
    if (event->stream) { event->stream->later([event] { delete event; }); } else { delete event; }
    return SUCCESS;
}
int cuEventRecord(void *handle, void *stream) {
    Event *event = (Event *)handle;
    event->stream = &stream_at(stream);
    event->done = false;
    event->stream->later([event] {
        event->moment = std::chrono::steady_clock::now();
        event->done = true;
    });
    return SUCCESS;
}
int cuEventSynchronize(void *handle) {
    Event *event = (Event *)handle;
    if (event->stream) { event->stream->finish_until(event->done); }
    return SUCCESS;
}
int cuEventQuery(void *handle) { return ((Event *)handle)->done ? SUCCESS : NOT_READY; }
int cuEventElapsedTime_v2(float *ms, void *start, void *end) {
    const Event &first = *(Event *)start, &last = *(Event *)end;
    if (!first.done || !last.done) { return NOT_READY; }
    *ms = std::chrono::duration<float, std::milli>(last.moment - first.moment).count();
    return SUCCESS;
}

int cuMemAllocAsync(uint64_t *address, size_t bytes, void *stream) {
    if (stream_at(stream).is_spoilt()) { return CAPTURE_INVALIDATED; }
    return stream_at(stream).is_recording() ? allocate_recorded(address, bytes) : allocate(address, bytes);
}
int cuMemFreeAsync(uint64_t address, void *stream) {
    if (stream_at(stream).is_spoilt()) { return CAPTURE_INVALIDATED; }
    return stream_at(stream).is_recording() ? release_recorded(address) : release(address, stream_at(stream));
}
int cuMemAlloc_v2(uint64_t *address, size_t bytes) { return allocate(address, bytes); }
int cuMemFree_v2(uint64_t address) {
    cuCtxSynchronize();
    return release(address, default_stream);
}
int cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
    *memory = std::aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE);
    std::memset(*memory, is_idle() ? 0 : 0xff, bytes);
    std::lock_guard<std::mutex> lock(guard);
    pinned[(uintptr_t)*memory] = (uintptr_t)*memory + bytes;
    return SUCCESS;
}
int cuMemFreeHost(void *memory) {
    cuCtxSynchronize();
    std::lock_guard<std::mutex> lock(guard);
    pinned.erase((uintptr_t)memory);
    std::free(memory);
    return SUCCESS;
}
int cuMemGetInfo_v2(size_t *free, size_t *total) {
    *free = total_bytes() - allocated;
    *total = total_bytes();
    return SUCCESS;
}
int cuDeviceGetDefaultMemPool(void **pool, int) {
    *pool = (void *)&allocations;
    return SUCCESS;
}
int cuMemPoolGetAttribute(void *, int attribute, void *value) {
    switch (attribute) {
    case 5:  // CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT: it keeps nothing
    case 7:  // CU_MEMPOOL_ATTR_USED_MEM_CURRENT
        *(uint64_t *)value = allocated;
        return SUCCESS;
    case 8:  // CU_MEMPOOL_ATTR_USED_MEM_HIGH
        *(uint64_t *)value = most_allocated;
        return SUCCESS;
    default: return INVALID_VALUE;
    }
}
int cuMemPoolSetAttribute(void *, int attribute, void *value) {
    if (attribute == 8) {
        if (*(uint64_t *)value != 0) { return INVALID_VALUE; }
        most_allocated = allocated;
    }
    return SUCCESS;
}
int cuMemcpyHtoDAsync_v2(uint64_t into, const void *from, size_t bytes, void *stream) {
    if (is_pinned(from, bytes)) { return copy_later(into, (uint64_t)from, bytes, stream); }
    // What is not pinned is read before the call returns, and who knows what is there later.
    if (stream_at(stream).is_recording()) { return refuse_recording(stream_at(stream)); }
    stream_at(stream).compute([into, kept = std::string((const char *)from, bytes)] {
        std::memcpy((void *)into, kept.data(), kept.size());
    });
    return SUCCESS;
}
int cuMemcpyDtoHAsync_v2(void *into, uint64_t from, size_t bytes, void *stream) {
    if (stream_at(stream).is_recording() && !is_pinned(into, bytes)) { return refuse_recording(stream_at(stream)); }
    copy_later((uint64_t)into, from, bytes, stream);
    // What is not pinned is there when the call returns.
    if (!is_pinned(into, bytes)) { stream_at(stream).finish(); }
    return SUCCESS;
}
int cuMemcpyDtoDAsync_v2(uint64_t into, uint64_t from, size_t bytes, void *stream) {
    if (stream_at(stream).is_recording() && refuses_graphs()) { return refuse_recording(stream_at(stream)); }
    return copy_later(into, from, bytes, stream);
}
int cuMemsetD8Async(uint64_t into, unsigned char value, size_t bytes, void *stream) {
    stream_at(stream).compute([=] { std::memset((void *)into, value, bytes); });
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
                   unsigned shared_bytes, void *stream, void **arguments, void **) {
    if (grid_x == 0 || grid_y == 0 || grid_z == 0 || x == 0 || x * y * z > 1024 || y * z != 1) { return INVALID_VALUE; }
    if (is_idle()) { return SUCCESS; }
    if (stream_at(stream).is_spoilt()) { return CAPTURE_INVALIDATED; }
    stream_at(stream).later(launched(*(const Kernel *)function, {grid_x, grid_y, grid_z}, {x, y, z}, shared_bytes, arguments));
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
