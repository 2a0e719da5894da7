// What a device was asked for and has not done yet, in order.
#pragma once
#include <functional>
#include <mutex>
#include <queue>

class Stream {
    std::recursive_mutex guard;
    std::queue<std::function<void()>> asked;

public:
    void later(std::function<void()> work) {
        std::lock_guard<std::recursive_mutex> lock(guard);
        asked.push(std::move(work));
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
