// What attention computes for: heads, tiles of queries, and what is added to the scores.
#pragma once
#include "warp.cuh"

constexpr int QUERIES = 64;  // of a block
constexpr int KEYS = 64;     // at a time
constexpr float LOG2_E = 1.4426950408889634f;

// What a block computes: up to 64 queries of a sequence.
struct Tile {
    int first_token;  // of the sequence
    int length;       // of the sequence
    int first_query;  // within the sequence
    int unused;
};

struct Heads {
    int hidden;   // features of a token
    int size;     // features of a head
    int tokens;   // of the batch
    float scale;  // that products of queries and keys are multiplied by
};

// What is added to the scores; a pointer to nothing where there is no such addition.
struct Additions {
    const float *bias;                // [heads, 2 longest - 1], by key - query + longest - 1
    const void *content_to_position;  // [heads, tokens, rows], products of queries with position keys
    const void *position_to_content;  // [heads, tokens, rows], products of keys with position queries
    const unsigned *row_of_distance;  // by query - key + rows_longest - 1
    int longest;                      // that the table of biases is for
    int rows_longest;                 // that the table of rows is for
    int rows;
    int reach;                        // tokens between a query and the keys it sees at the most; -1: all
};

// The keys that any query of a tile sees, from a multiple of 64 on.
__device__ __forceinline__ void keys_seen(const Tile &tile, int reach, int &first, int &end) {
    first = 0;
    end = tile.length;
    if (reach >= 0) {
        const int last_query = min(tile.first_query + QUERIES, tile.length) - 1;
        first = max(0, tile.first_query - reach) / KEYS * KEYS;
        end = min(tile.length, last_query + reach + 1);
    }
}

template <typename T> __device__ __forceinline__ float number(const void *table, size_t at) {
    return (float)((const T *)table)[at];
}

// A score with its scale and what is added to it, times the logarithm of e to base 2; minus infinity where there is no
// such query or key, or they are out of reach.
template <typename T>
__device__ __forceinline__ float whole_score(float product, int query, int key, const Tile &tile, int head,
                                             const Heads &heads, const Additions &more) {
    if (key >= tile.length || query >= tile.length || (more.reach >= 0 && abs(query - key) > more.reach)) {
        return -INFINITY;
    }
    float score = product * heads.scale;
    if (more.bias) { score += more.bias[(size_t)head * (2 * more.longest - 1) + key - query + more.longest - 1]; }
    if (more.row_of_distance) {
        const unsigned row = more.row_of_distance[query - key + more.rows_longest - 1];
        const size_t first = (size_t)head * heads.tokens + tile.first_token;
        if (more.content_to_position) { score += number<T>(more.content_to_position, (first + query) * more.rows + row); }
        if (more.position_to_content) { score += number<T>(more.position_to_content, (first + key) * more.rows + row); }
    }
    return LOG2_E * score;
}
