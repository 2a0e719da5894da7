// Between the emulated driver and the kernels.
#pragma once
#include <cstddef>
#include <functional>
#include <map>
#include <string>

struct Kernel {
    std::function<std::function<void()>(void **)> call;  // with its arguments, which are copied
    bool alone;                                          // one thread does the work of all
};
struct Grid { unsigned x, y, z; };

// Nothing where there is no kernel of that name.
const Kernel *find_kernel(const char *name);
std::function<void()> launched(const Kernel &kernel, Grid grid, Grid threads, size_t shared_bytes, void **arguments);
