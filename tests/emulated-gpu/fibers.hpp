// The threads of a block, one of which runs at a time: each until it waits for others or ends. What runs next is always
// the same, so that a program that fails does so again.
#pragma once
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
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

// A thread of a block. It is made once and runs kernel after kernel, for to make one takes calls of the system. That
// includes to switch to another with swapcontext, so that it is only begun so: from then on it is left and resumed by
// jumps, which take none.
class Fiber {
  public:
    Fiber() : stack_(new char[STACK]) {}

    // Runs until it waits or ends.
    void resume() {
        if (_setjmp(resumer_) != 0) { return; }
        if (begun_) { _longjmp(own_, 1); }
        begun_ = true;
        static thread_local ucontext_t context;
        getcontext(&context);
        context.uc_stack.ss_sp = stack_.get();
        context.uc_stack.ss_size = STACK;
        context.uc_link = nullptr;
        const auto self = (uintptr_t)this;
        makecontext(&context, (void (*)())enter, 2, (unsigned)self, (unsigned)(self >> 32));
        setcontext(&context);
    }
    void pause() {
        if (_setjmp(own_) == 0) { _longjmp(resumer_, 1); }
    }
    void run_next(const std::function<void()> &kernel) {
        kernel_ = &kernel;
        ended_ = false;
    }
    bool ended() const { return ended_; }

  private:
    static constexpr size_t STACK = 128 << 10;

    static void enter(unsigned low, unsigned high) {
        Fiber *own = (Fiber *)((uintptr_t)high << 32 | low);
        for (;;) {
            (*own->kernel_)();
            own->ended_ = true;
            own->pause();
        }
    }

    std::unique_ptr<char[]> stack_;
    jmp_buf resumer_, own_;
    bool begun_ = false;
    bool ended_ = true;
    const std::function<void()> *kernel_ = nullptr;
};

class Block {
  public:
    Block(int threads, size_t shared_bytes)
        // Nothing may rely on what shared memory held before.
        : shared_(shared_bytes + 16, 0xff), all_{threads}, warps_((threads + 31) / 32), threads_(threads) {
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
        while (meeting.rounds == round) { fiber(running_).pause(); }
    }
    void wait_for_all() { wait(all_); }

    void run(const std::function<void()> &kernel) {
        for (size_t at = 0; at < threads_; ++at) { fiber(at).run_next(kernel); }
        for (size_t left = threads_; left > 0;) {
            progress_ = false;
            for (size_t at = 0; at < threads_; ++at) {
                if (fiber(at).ended()) { continue; }
                running_ = at;
                threadIdx.x = at;
                fiber(at).resume();
                if (fiber(at).ended()) {
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
    // Those of this thread of the system, for all blocks it runs.
    static Fiber &fiber(size_t at) {
        static thread_local std::deque<Fiber> fibers;
        while (fibers.size() <= at) { fibers.emplace_back(); }
        return fibers[at];
    }

    std::vector<unsigned char> shared_;
    Meeting all_;
    std::vector<Warp> warps_;
    size_t threads_;
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
