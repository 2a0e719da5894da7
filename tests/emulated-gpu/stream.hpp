// What a device was asked for and has not done yet, in order.
#pragma once
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <queue>
#include <utility>
#include <vector>

// Whether cards do nothing at all: what remains is what the program itself takes. Its results are zeros.
inline bool is_idle() {
    static const bool told = std::getenv("SPANBENCH_EMULATED_IDLE") != nullptr;
    return told;
}

// What is done again and again, once it was recorded.
using Recording = std::vector<std::function<void()>>;

class Stream {
    std::recursive_mutex guard;
    std::queue<std::function<void()>> asked;
    // What is recorded at this time, in place of being done.
    std::unique_ptr<Recording> recording;
    bool spoilt = false;

public:
    void later(std::function<void()> work) {
        std::lock_guard<std::recursive_mutex> lock(guard);
        if (recording) {
            recording->push_back(std::move(work));
        } else if (is_idle()) {
            work();
        } else {
            asked.push(std::move(work));
        }
    }
    void record() {
        std::lock_guard<std::recursive_mutex> lock(guard);
        recording = std::make_unique<Recording>();
        spoilt = false;
    }
    // What cannot be recorded ends it: nothing more is, and in the end there is none.
    void spoil() { spoilt = true; }
    bool is_spoilt() { return is_recording() && spoilt; }
    bool is_recording() {
        std::lock_guard<std::recursive_mutex> lock(guard);
        return recording != nullptr;
    }
    std::unique_ptr<Recording> recorded() {
        std::lock_guard<std::recursive_mutex> lock(guard);
        return std::move(recording);
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
