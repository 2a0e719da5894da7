// The threads of a block, one of which runs at a time: each until it waits for others or ends. What runs next is always
// the same, so that a program that fails does so again.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

struct Place { unsigned x = 0, y = 0, z = 0; };
inline thread_local Place threadIdx, blockIdx, blockDim, gridDim;

// Where a number of threads wait for one another.
struct Meeting {
    int expected = 0, arrived = 0;
    unsigned rounds = 0;
};

struct Warp {
    Meeting meeting{32};
    uint32_t numbers[32][8];
    const void *rows[32];
};

class Block {
  public:
    Block(int threads, size_t shared_bytes)
        // Nothing may rely on what shared memory held before.
        : shared_(shared_bytes + 16, 0xff), all_{threads}, warps_((threads + 31) / 32), fibers_(threads) {
        for (size_t warp = 0; warp < warps_.size(); ++warp) {
            warps_[warp].meeting.expected = std::min(32, threads - (int)warp * 32);
        }
    }

    unsigned char *shared() {
        // Aligned as a GPU's is for what kernels read at once.
        return reinterpret_cast<unsigned char *>(((uintptr_t)shared_.data() + 15) & ~(uintptr_t)15);
    }
    Warp &warp() { return warps_[threadIdx.x / 32]; }

    void wait(Meeting &meeting) {
        if (++meeting.arrived == meeting.expected) {
            meeting.arrived = 0;
            ++meeting.rounds;
            progress_ = true;
            return;
        }
        const unsigned round = meeting.rounds;
        while (meeting.rounds == round) { pause(); }
    }
    void wait_for_all() { wait(all_); }

    void run(const std::function<void()> &kernel) {
        kernel_ = &kernel;
        for (size_t at = 0; at < fibers_.size(); ++at) { begin(at); }
        for (size_t left = fibers_.size(); left > 0;) {
            progress_ = false;
            for (size_t at = 0; at < fibers_.size(); ++at) {
                if (fibers_[at].ended) { continue; }
                running_ = at;
                threadIdx.x = at;
                swapcontext(&scheduler_, &fibers_[at].context);
                if (fibers_[at].ended) {
                    --left;
                    progress_ = true;
                }
            }
            if (!progress_) {
                std::fprintf(stderr, "emulated GPU: threads of a block wait for threads that have ended\n");
                std::abort();
            }
        }
    }

  private:
    struct Fiber {
        ucontext_t context;
        bool ended = false;
    };
    static constexpr size_t STACK = 128 << 10;

    // Stacks are used again by the next block.
    static char *stack(size_t at) {
        static thread_local std::vector<std::unique_ptr<char[]>> stacks;
        while (stacks.size() <= at) { stacks.emplace_back(new char[STACK]); }
        return stacks[at].get();
    }

    void begin(size_t at) {
        getcontext(&fibers_[at].context);
        fibers_[at].context.uc_stack.ss_sp = stack(at);
        fibers_[at].context.uc_stack.ss_size = STACK;
        fibers_[at].context.uc_link = &scheduler_;
        const auto self = (uintptr_t)this;
        makecontext(&fibers_[at].context, (void (*)())enter, 2, (unsigned)self, (unsigned)(self >> 32));
    }
    static void enter(unsigned low, unsigned high) {
        Block *block = (Block *)((uintptr_t)high << 32 | low);
        const size_t own = block->running_;
        (*block->kernel_)();
        block->fibers_[own].ended = true;
    }
    void pause() {
        const size_t own = running_;
        swapcontext(&fibers_[own].context, &scheduler_);
    }

    std::vector<unsigned char> shared_;
    Meeting all_;
    std::vector<Warp> warps_;
    std::vector<Fiber> fibers_;
    const std::function<void()> *kernel_ = nullptr;
    ucontext_t scheduler_;
    size_t running_ = 0;
    bool progress_ = false;
};
inline thread_local Block *own_block;

// Runs a kernel on all blocks, one after another.
inline void run_grid(Place grid, Place threads, size_t shared_bytes, const std::function<void()> &kernel) {
    gridDim = grid;
    blockDim = threads;
    for (unsigned z = 0; z < grid.z; ++z) {
        for (unsigned y = 0; y < grid.y; ++y) {
            for (unsigned x = 0; x < grid.x; ++x) {
                Block block(threads.x, shared_bytes);
                own_block = &block;
                blockIdx = {x, y, z};
                block.run(kernel);
            }
        }
    }
}
