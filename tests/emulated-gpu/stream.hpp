// What a device was asked for and has not done yet, in order.
#pragma once
#include <cstdlib>
#include <functional>
#include <mutex>
#include <queue>
#include <utility>

// Whether cards do nothing at all: what remains is what the program itself takes. Its results are zeros.
inline bool is_idle() {
    static const bool told = std::getenv("SPANBENCH_EMULATED_IDLE") != nullptr;
    return told;
}

class Stream {
    std::recursive_mutex guard;
    std::queue<std::function<void()>> asked;

public:
    void later(std::function<void()> work) {
        if (is_idle()) { return work(); }
        std::lock_guard<std::recursive_mutex> lock(guard);
        asked.push(std::move(work));
    }
    // What a card would do by itself.
    template <typename Work> void compute(Work &&work) {
        if (!is_idle()) { later(std::forward<Work>(work)); }
    }
    // Does what was asked, in order, until `done`, which some of it sets.
    void finish_until(const bool &done) {
        std::lock_guard<std::recursive_mutex> lock(guard);
        while (!done && !asked.empty()) {
            asked.front()();
            asked.pop();
        }
    }
    void finish() { finish_until(false); }
};
