// Stands for CUDA's libraries when the program is linked, so that it starts where there are none: every name is a jump
// to wherever the library's own function is, and that is looked for when cuInit is called, which comes before all else.
// Until then, and where a library or a function is missing, the name leads to a function that reports an error.
//
// make-home writes libraries.h: LIBRARY(soname, path of the one that was built with or nothing) and, after each,
// FORWARD(name) for each of its functions.
#include <dlfcn.h>
#include <stddef.h>

// CUDA_ERROR_NO_DEVICE to the driver's callers, and no success to those of the others.
enum { MISSING = 100 };

static int missing(void) { return MISSING; }
static int no_device(unsigned flags) {
    (void)flags;
    return MISSING;
}

// Of functions that return a text, or put it where they are told to.
static const char *missing_text(void) { return "the CUDA library is missing"; }
static int put_missing_text(int error, const char **text) {
    (void)error;
    *text = "no CUDA driver was found (libcuda.so.1)";
    return 0;
}

#if defined(__x86_64__)
#define JUMP(name) "jmpq *" #name "_found(%rip)"
#elif defined(__aarch64__)
#define JUMP(name) "adrp x16, " #name "_found\nldr x16, [x16, :lo12:" #name "_found]\nbr x16"
#else
#error "scripts/build-cuda knows x86-64 and 64-bit ARM; build with cargo build --features cuda here"
#endif

#define LIBRARY(soname, path)
#define FORWARD(name)                                                                                                  \
    __attribute__((visibility("hidden"))) void *name##_found = (void *)missing;                                        \
    __asm__(".text\n.globl " #name "\n.type " #name ", %function\n" #name ":\n" JUMP(name) "\n");
#include "libraries.h"
#undef LIBRARY
#undef FORWARD

// A library, or a function of the one before.
static const struct {
    const char *name, *path;
    void **found;
} all[] = {
#define LIBRARY(soname, path) {soname, path, NULL},
#define FORWARD(name) {#name, NULL, &name##_found},
#include "libraries.h"
};

static int ends_with(const char *name, const char *ending) {
    size_t long_one = 0, short_one = 0;
    while (name[long_one]) { ++long_one; }
    while (ending[short_one]) { ++short_one; }
    if (long_one < short_one) { return 0; }
    for (size_t i = 0; i < short_one; ++i) {
        if (name[long_one - short_one + i] != ending[i]) { return 0; }
    }
    return 1;
}

// What is called in place of a function that is not there.
static void *instead_of(const char *name) {
    if (!ends_with(name, "String") && !ends_with(name, "ErrorName")) { return (void *)missing; }
    return name[0] == 'c' && name[1] == 'u' && name[2] == 'G' ? (void *)put_missing_text : (void *)missing_text;
}

static void *open_library(size_t i) {
    void *library = dlopen(all[i].name, RTLD_LAZY | RTLD_LOCAL);
    return library || !*all[i].path ? library : dlopen(all[i].path, RTLD_LAZY | RTLD_LOCAL);
}

static void find_all(void) {
    void *library = NULL;
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        if (!all[i].found) {
            library = open_library(i);
            // Without the driver nothing else is of use.
            if (!library && i == 0) { break; }
            continue;
        }
        void *found = library ? dlsym(library, all[i].name) : NULL;
        if (found) { __atomic_store_n(all[i].found, found, __ATOMIC_RELEASE); }
    }
}

int cuInit(unsigned flags) {
    static int done;
    static int (*real)(unsigned);
    // A second thread may look as well, and finds the same.
    if (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
        void *driver = open_library(0);
        void *found = driver ? dlsym(driver, "cuInit") : NULL;
        __atomic_store_n(&real, found ? (int (*)(unsigned))found : no_device, __ATOMIC_RELEASE);
        find_all();
        __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
    }
    return real(flags);
}

// cuGetErrorString is asked what cuInit meant.
__attribute__((constructor)) static void prepare(void) {
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        if (all[i].found) { *all[i].found = instead_of(all[i].name); }
    }
}
