// The project's kernels, and those of candle that loading a model takes, by their names.
#define SPANBENCH_EMULATED
#include "../../src/ops/cuda/kernels/kernels.cu"
#include "kernels.hpp"

#include <tuple>
#include <utility>

namespace {

// A call of a kernel with arguments as cuLaunchKernel is given them: the address of each, good until it returns.
template <size_t... AT, typename... A>
std::function<void()> call(std::index_sequence<AT...>, void (*kernel)(A...), void **arguments) {
    return [kernel, own = std::tuple<A...>(*static_cast<A *>(arguments[AT])...)] { std::apply(kernel, own); };
}
template <typename... A> Kernel unpacked(void (*kernel)(A...), bool alone = false) {
    return {[kernel](void **arguments) { return call(std::index_sequence_for<A...>(), kernel, arguments); }, alone};
}

// candle's own, as far as models are loaded with them: contiguous numbers, or strided ones with `info`, which is the
// shape and then the strides. One thread does the work of all.
size_t place(size_t at, size_t dimensions, const size_t *info) {
    if (!info) { return at; }
    size_t found = 0;
    for (size_t d = dimensions; d-- > 0;) {
        found += at % info[d] * info[dimensions + d];
        at /= info[d];
    }
    return found;
}

template <typename S, typename T> void cast(size_t count, size_t dimensions, const size_t *info, const S *from, T *into) {
    for (size_t at = 0; at < count; ++at) {
        into[at] = T((float)from[place(at, dimensions, info)]);
    }
}
template <typename T> void copy(size_t count, size_t dimensions, const size_t *info, const T *from, T *into) {
    for (size_t at = 0; at < count; ++at) {
        into[at] = (from ? from : into)[place(at, dimensions, info)];
    }
}
template <typename T>
void affine(size_t count, size_t dimensions, const size_t *info, const T *from, T *into, T factor, T addend) {
    for (size_t at = 0; at < count; ++at) {
        into[at] = T((float)(from ? from : into)[place(at, dimensions, info)] * (float)factor + (float)addend);
    }
}
template <typename T>
void copy_rows_2d(const T *from, T *into, unsigned rows, unsigned columns, unsigned from_stride, unsigned into_stride) {
    for (size_t at = 0; at < (size_t)rows * columns; ++at) {
        into[at / columns * into_stride + at % columns] = from[at / columns * from_stride + at % columns];
    }
}

const std::map<std::string, Kernel> &all() {
#define NAMED(NAME) {#NAME, unpacked(NAME)}
#define ATTENTIONS(TYPE) NAMED(attention_##TYPE##_32), NAMED(attention_##TYPE##_64), NAMED(attention_##TYPE##_96), NAMED(attention_##TYPE##_128)
#define PACKED(TYPE) NAMED(norm_##TYPE), NAMED(activate_##TYPE), NAMED(add_##TYPE), NAMED(gate_##TYPE)
#define SINGLE(TYPE) NAMED(rotate_##TYPE), NAMED(sum_rows_##TYPE), NAMED(place_##TYPE), NAMED(quantize_##TYPE), NAMED(multiply_int8_##TYPE)
#define CANDLE(TYPE, T)                                                                                                \
    {"cast_f32_" #TYPE, unpacked(cast<float, T>, true)}, {"cast_" #TYPE "_f32", unpacked(cast<T, float>, true)},       \
        {"ucopy_" #TYPE, unpacked(copy<T>, true)}, {"affine_" #TYPE, unpacked(affine<T>, true)},                       \
        {"copy2d_" #TYPE, unpacked(copy_rows_2d<T>, true)}
    static const std::map<std::string, Kernel> kernels = {
        ATTENTIONS(f32), ATTENTIONS(f16), ATTENTIONS(bf16),
        PACKED(f32), PACKED(f32_wide), PACKED(f16), PACKED(f16_wide), PACKED(bf16), PACKED(bf16_wide),
        SINGLE(f32), SINGLE(f16), SINGLE(bf16),
        CANDLE(f32, float), CANDLE(f16, __half), CANDLE(bf16, __nv_bfloat16),
    };
    return kernels;
}

} // namespace

const Kernel *find_kernel(const char *name) {
    auto found = all().find(name);
    return found == all().end() ? nullptr : &found->second;
}

std::function<void()> launched(const Kernel &kernel, Grid grid, Grid threads, size_t shared_bytes, void **arguments) {
    auto call = kernel.call(arguments);
    if (kernel.alone) { return call; }
    return [=] { run_grid({grid.x, grid.y, grid.z}, {threads.x, threads.y, threads.z}, shared_bytes, call); };
}
