// Products of matrices as cuBLAS and cuBLASLt would give them, number by number: matrices by columns, sums in f32.
// Numbers of types, attributes and states are those of cublasLt.h and library_types.h.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#define SPANBENCH_EMULATED
#include "emulated.hpp"
#include "stream.hpp"

namespace {

constexpr int SUCCESS = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15;
constexpr int F32 = 0, F16 = 2, BF16 = 14;
constexpr int COMPUTE_F32 = 68;
constexpr int EPILOGUE_NONE = 1, EPILOGUE_BIAS = 4;

struct Layout {
    int kind;
    uint64_t rows, columns;
    int64_t distance, step = 0;
    int batch = 1;
};
struct Description {
    int compute, scale;
    int transposed_a = 0, transposed_b = 0, epilogue = EPILOGUE_NONE;
    const void *bias = nullptr;
};

float at(int kind, const void *numbers, size_t place) {
    switch (kind) {
    case F32: return ((const float *)numbers)[place];
    case F16: return ((const __half *)numbers)[place];
    default: return ((const __nv_bfloat16 *)numbers)[place];
    }
}
void put(int kind, void *numbers, size_t place, float x) {
    switch (kind) {
    case F32: ((float *)numbers)[place] = x; break;
    case F16: ((__half *)numbers)[place] = __half(x); break;
    default: ((__nv_bfloat16 *)numbers)[place] = __nv_bfloat16(x);
    }
}
bool known(int kind) { return kind == F32 || kind == F16 || kind == BF16; }

int check(const Description &how, const Layout &la, const Layout &lb, const Layout &ld) {
    if (how.compute != COMPUTE_F32 || how.scale != F32) { return NOT_SUPPORTED; }
    if (!known(la.kind) || la.kind != lb.kind || la.kind != ld.kind) { return NOT_SUPPORTED; }
    if (how.epilogue != EPILOGUE_NONE && how.epilogue != EPILOGUE_BIAS) { return NOT_SUPPORTED; }
    const uint64_t depth = how.transposed_a ? la.rows : la.columns;
    const uint64_t rows = how.transposed_a ? la.columns : la.rows, columns = how.transposed_b ? lb.rows : lb.columns;
    if (depth != (how.transposed_b ? lb.columns : lb.rows) || rows != ld.rows || columns != ld.columns) {
        return INVALID_VALUE;
    }
    for (const Layout *layout : {&la, &lb, &ld}) {
        if (layout->distance < (int64_t)layout->rows || layout->batch != ld.batch) { return INVALID_VALUE; }
    }
    return SUCCESS;
}

void multiply(const Description &how, float alpha, const void *a, const Layout &la, const void *b, const Layout &lb,
              float beta, const void *c, void *d, const Layout &ld) {
    const uint64_t depth = how.transposed_a ? la.rows : la.columns, rows = ld.rows, columns = ld.columns;
    for (int which = 0; which < ld.batch; ++which) {
        for (uint64_t column = 0; column < columns; ++column) {
            for (uint64_t row = 0; row < rows; ++row) {
                float sum = 0.0f;
                for (uint64_t k = 0; k < depth; ++k) {
                    const uint64_t in_a = how.transposed_a ? row * la.distance + k : k * la.distance + row;
                    const uint64_t in_b = how.transposed_b ? k * lb.distance + column : column * lb.distance + k;
                    sum += at(la.kind, a, which * la.step + in_a) * at(lb.kind, b, which * lb.step + in_b);
                }
                sum *= alpha;
                const uint64_t place = which * ld.step + column * ld.distance + row;
                if (beta != 0.0f) { sum += beta * at(ld.kind, c, place); }
                if (how.epilogue == EPILOGUE_BIAS) { sum += at(ld.kind, how.bias, row); }
                put(ld.kind, d, place, sum);
            }
        }
    }
}

template <typename T> int make(void **handle, T value) {
    *handle = new T(value);
    return SUCCESS;
}
template <typename T> int destroy(void *handle) {
    delete (T *)handle;
    return SUCCESS;
}
template <typename T> int set(T &field, const void *value, size_t bytes) {
    if (bytes != sizeof(T)) { return INVALID_VALUE; }
    std::memcpy(&field, value, bytes);
    return SUCCESS;
}

} // namespace

extern "C" {

int cublasCreate_v2(void **handle) { return make(handle, 0); }
int cublasDestroy_v2(void *handle) { return destroy<int>(handle); }
int cublasSetStream_v2(void *, void *) { return SUCCESS; }
// What candle's own operations multiply with.
int cublasGemmStridedBatchedEx() { return NOT_SUPPORTED; }
int cublasDgemmStridedBatched() { return NOT_SUPPORTED; }

int cublasLtCreate(void **handle) { return make(handle, 0); }
int cublasLtDestroy(void *handle) { return destroy<int>(handle); }
int cublasLtMatrixLayoutCreate(void **layout, int kind, uint64_t rows, uint64_t columns, int64_t distance) {
    return make(layout, Layout{kind, rows, columns, distance});
}
int cublasLtMatrixLayoutDestroy(void *layout) { return destroy<Layout>(layout); }
int cublasLtMatrixLayoutSetAttribute(void *layout, int attribute, const void *value, size_t bytes) {
    switch (attribute) {
    case 5: return set(((Layout *)layout)->batch, value, bytes);
    case 6: return set(((Layout *)layout)->step, value, bytes);
    default: return NOT_SUPPORTED;
    }
}
int cublasLtMatmulDescCreate(void **description, int compute, int scale) {
    return make(description, Description{compute, scale});
}
int cublasLtMatmulDescDestroy(void *description) { return destroy<Description>(description); }
int cublasLtMatmulDescSetAttribute(void *handle, int attribute, const void *value, size_t bytes) {
    Description &description = *(Description *)handle;
    switch (attribute) {
    case 3: return set(description.transposed_a, value, bytes);
    case 4: return set(description.transposed_b, value, bytes);
    case 7: return set(description.epilogue, value, bytes);
    case 8: return set(description.bias, value, bytes);
    default: return NOT_SUPPORTED;
    }
}
int cublasLtMatmulPreferenceCreate(void **preference) { return make(preference, 0); }
int cublasLtMatmulPreferenceDestroy(void *preference) { return destroy<int>(preference); }
int cublasLtMatmulPreferenceSetAttribute(void *, int, const void *, size_t) { return SUCCESS; }
int cublasLtMatmulAlgoGetHeuristic(void *, void *, void *, void *, void *, void *, void *, int, void *results, int *count) {
    // cublasLtMatmulHeuristicResult_t: an algorithm of 64 bytes, a workspace, a state and more; all 0 is a success.
    std::memset(results, 0, 96);
    *count = 1;
    return SUCCESS;
}
int cublasLtMatmul(void *, void *description, const void *alpha, const void *a, void *la, const void *b, void *lb,
                   const void *beta, const void *c, void *, void *d, void *ld, const void *, void *, size_t, void *stream) {
    const Description how = *(Description *)description;
    const Layout of_a = *(Layout *)la, of_b = *(Layout *)lb, of_d = *(Layout *)ld;
    const float scale = *(const float *)alpha, kept = *(const float *)beta;
    if (int fault = check(how, of_a, of_b, of_d)) { return fault; }
    ((Stream *)stream)->compute([=] { multiply(how, scale, a, of_a, b, of_b, kept, c, d, of_d); });
    return SUCCESS;
}
}
