# Sourced in the project's folder by what builds for the GPU of tests/emulated-gpu: sets CARGO_TARGET_DIR, and toolkit to the
# folder of its libraries. Ends the script where there is no C++ compiler.

compiler=${CXX:-g++}
if ! command -v "$compiler" > /dev/null; then
    echo "skipped: the emulated GPU takes a C++ compiler, and there is no $compiler (scripts/install-test-tools)"
    exit 0
fi
# A folder of its own: kernels are empty here, which cargo does not see.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/emulated-gpu
toolkit=$CARGO_TARGET_DIR/toolkit
mkdir -p "$toolkit/lib64"
toolkit=$(cd "$toolkit" && pwd)
"$compiler" -std=c++20 -O2 -U_FORTIFY_SOURCE -Wall -Wextra -Wno-unknown-pragmas -shared -fPIC -Itests/emulated-gpu \
    -Wl,-soname,libemulated-gpu.so -o "$toolkit/lib64/libcuda.so" tests/emulated-gpu/*.cpp
for name in cublas cublasLt curand nvrtc; do
    ln -sf libcuda.so "$toolkit/lib64/lib$name.so"
done
rm -f "$toolkit/lib64/libcudart_static.a"
ar rcs "$toolkit/lib64/libcudart_static.a"
# Linked as scripts/build-cuda does it, so that the program starts without them.
scripts/cuda/make-home "$toolkit" "$CARGO_TARGET_DIR/cuda-home"
libraries=$(cd "$CARGO_TARGET_DIR/cuda-home/lib64" && pwd)

export NVCC=$PWD/scripts/nvcc-stub CUDARC_CUDA_VERSION=13000 CUDA_COMPUTE_CAP=90
# candle's kernels for quantised models are left out; nothing here calls them.
link="-Clink-arg=-Wl,--unresolved-symbols=ignore-all"
export RUSTFLAGS="-Lnative=$libraries $link"
