// Which instruction levels this processor has.
#include "levels.hpp"

#include "kernels.hpp"

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

#define HAS(FEATURE) (__builtin_cpu_supports(FEATURE) != 0)

std::vector<const Kernels *> supported_levels() {
    __builtin_cpu_init();
    const bool has_v2 = HAS("sse4.2") && HAS("ssse3") && HAS("popcnt");
    const bool has_v3 = has_v2 && HAS("avx2") && HAS("fma") && HAS("bmi") && HAS("bmi2");
    const bool has_v4 =
        has_v3 && HAS("avx512f") && HAS("avx512bw") && HAS("avx512cd") && HAS("avx512dq") && HAS("avx512vl");
    std::vector<const Kernels *> levels;
    if (has_v4) levels.push_back(&v4::KERNELS);
    if (has_v3) levels.push_back(&v3::KERNELS);
    if (has_v2) levels.push_back(&v2::KERNELS);
    return levels;
}
#else
DECLARE(plain)

std::vector<const Kernels *> supported_levels() { return {&plain::KERNELS}; }
#endif

}  // namespace xtalgraph
