// Which instruction levels this processor has.
#include "levels.hpp"

#include <initializer_list>

#include "kernels.hpp"

#ifdef XTALGRAPH_X86_64
#include <cpuid.h>
#endif

namespace xtalgraph {

#define DECLARE(LEVEL)                                                                                             \
    namespace LEVEL {                                                                                              \
    void find_neighbours(const Store &, int64_t, int64_t, const Search &, int64_t *, Edges &);                     \
    bool has_pair_within(const Store &, double);                                                                   \
    void reduce_lattice(const double *, double, Lattice &);                                                        \
    int64_t weigh_smoothly(const Weighed &, int64_t *, int64_t, int64_t, double);                                  \
    void deduplicate(const Graph &, Merged &);                                                                     \
    void expand_near(const double *, int64_t, double, double, int64_t, int32_t *, float *);                        \
    void activate(int, const float *, int64_t, float *);                                                           \
    void sum_gated(int, const Argument &, const Near &, const Scaling &, float *);                                 \
    void differentiate(int, const Argument &, const Near &, const Scaling &, const float *, const Derivative &,    \
                       float *, float *);                                                                          \
    void sum_arguments(const Argument &, const Near &, float *, double *, double *);                               \
    void sum_gated_arguments(int, const float *, const Scaling &, const Near &, int64_t, int64_t, float *);        \
    void differentiate_gate(int, const float *, const Scaling &, const Near &, int64_t, int64_t, const float *,    \
                            float *, double *, double *);                                                          \
    void spread_derivative(const float *, float *, const float *, const float *, const float *, const Near &,      \
                           int64_t, int64_t, const Derivative &);                                                  \
    static const Kernels KERNELS = {#LEVEL, find_neighbours, has_pair_within, reduce_lattice, weigh_smoothly,      \
                                    deduplicate, expand_near, activate, sum_gated, differentiate, sum_arguments,   \
                                    sum_gated_arguments, differentiate_gate, spread_derivative};                   \
    }

#ifdef XTALGRAPH_X86_64
DECLARE(v2)
DECLARE(v3)
DECLARE(v4)

namespace {

// What the processor has, and the system saves. Asked of the processor itself: the compilers' own
// `__builtin_cpu_supports` needs a library that Zig's does not have.
class Processor {
  public:
    Processor() {
        unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
        if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0) basic_ = ecx;
        if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) extended_ = ebx;
        if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) != 0) further_ = ecx;
        if (has(basic_, {27})) {  // the system tells which registers it saves
            unsigned low = 0, high = 0;
            __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
            saved_ = low;
        }
    }
    // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT, LAHF
    bool has_v2() const { return has(basic_, {0, 9, 13, 19, 20, 23}) && has(further_, {0}); }
    // FMA, MOVBE, AVX, F16C, BMI1, AVX2, BMI2, LZCNT
    bool has_v3() const {
        return has_v2() && has(saved_, {1, 2}) && has(basic_, {12, 22, 28, 29}) && has(extended_, {3, 5, 8}) &&
               has(further_, {5});
    }
    // AVX-512 F, DQ, CD, BW, VL
    bool has_v4() const { return has_v3() && has(saved_, {5, 6, 7}) && has(extended_, {16, 17, 28, 30, 31}); }

  private:
    static bool has(unsigned word, std::initializer_list<int> bits) {
        for (int bit : bits)
            if ((word >> bit & 1u) == 0) return false;
        return true;
    }
    unsigned basic_ = 0, extended_ = 0, further_ = 0, saved_ = 0;
};

}  // namespace

std::vector<const Kernels *> supported_levels() {
    const Processor processor;
    std::vector<const Kernels *> levels;
    if (processor.has_v4()) levels.push_back(&v4::KERNELS);
    if (processor.has_v3()) levels.push_back(&v3::KERNELS);
    if (processor.has_v2()) levels.push_back(&v2::KERNELS);
    return levels;
}
#else
DECLARE(plain)

std::vector<const Kernels *> supported_levels() { return {&plain::KERNELS}; }
#endif

}  // namespace xtalgraph
