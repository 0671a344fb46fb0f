// The loops of xtalgraph, as the bindings see them.
//
// Each source of kernels is compiled once per instruction level, with LEVEL naming the namespace;
// `Kernels` is the table of one level. A source of kernels has no code with external linkage outside
// that namespace: an inline function that two levels share would be merged by the linker into the
// one of the highest level, and older processors would stop at its first instruction.
#pragma once
#include <cstdint>

namespace xtalgraph {

enum Rule : int { NEAREST = 0, SHELL = 1, RADIUS = 2 };
enum Activation : int { SOFTPLUS = 0, SILU = 1, RELU = 2 };

constexpr int64_t N_NEAR = 8;  // radial functions that are used for a distance

enum class Problem { NOT_FINITE, TOO_LONG, TOO_SKEWED, FAR_POSITION, TOO_MANY, FAR_IMAGE };

// Thrown by the search: a crystal of the store that cannot be searched, and why.
struct Refused {
    int64_t crystal, site;  // site -1: the lattice
    Problem problem;
    double value;
};

struct Store {  // crystals as flat arrays; the atoms of crystal c are offsets[c] to offsets[c + 1]
    const double *lattices, *positions;
    const int64_t *offsets;
};

struct Search {
    int rule;
    int64_t n_neighbours;
    double cutoff, same_shell;  // Å; distances that differ by less than the second are a tie
};

struct Edges {  // allocated by malloc, for the caller to free; counts are filled in place
    int64_t *neighbours = nullptr;
    int32_t *images = nullptr;
    double *distances = nullptr;
    int64_t n_edges = 0;
};

struct Weighed {  // edges in place
    int64_t *neighbour;
    int32_t *image;
    double *distance, *weight;
};

struct Lattice {
    double reduced[9];
    int64_t forward[9], backward[9];  // reduced = forward × lattice; backward is its inverse
    bool is_as_given;
    int short_vector;  // the number of a reduced vector that is shorter than was asked for, or -1
    double short_length;
};

struct Graph {  // whole graphs; the edges of atom i are starts[i] to starts[i + 1]
    int64_t n_atoms, n_edges, n_crystals;
    const int64_t *atomic_numbers, *starts, *neighbour;
    const double *distance, *weight;
    const int64_t *offsets;  // of the atoms of each crystal
};

struct Merged {  // filled in place: rooms of n_atoms and of n_edges
    int64_t *firsts, *sizes, *counts;
    int64_t *neighbour, *source;
    double *distance, *weight;
    int64_t n_nodes, n_edges;
};

struct Near {  // the radial functions near each distance, and the atoms of each edge
    const int32_t *first;
    const float *values;  // [n_edges, N_NEAR]
    const int64_t *starts, *neighbour;
    const float *edge_weight;
};

struct Argument {  // of the gate: from_centre + from_neighbour + Σ near × bond_weight
    const float *from_centre, *from_neighbour, *bond_weight;
    int64_t n_atoms, n_functions, width;  // rows have 2 × width columns
};

struct Derivative {
    float *from_centre, *from_neighbour, *bond_weight;
};

struct Scaling {  // null: none; epsilon counts where rows are normalised
    const float *scale, *shift;
    bool by_row;
    float epsilon;
};

struct Kernels {
    const char *name;
    void (*find_neighbours)(const Store &, int64_t first, int64_t last, const Search &, int64_t *counts, Edges &);
    bool (*has_pair_within)(const Store &, double radius);  // of its first crystal
    void (*reduce_lattice)(const double *, double shortest, Lattice &);
    int64_t (*weigh_smoothly)(const Weighed &, int64_t *counts, int64_t n_atoms, int64_t n_neighbours, double cutoff);
    void (*deduplicate)(const Graph &, Merged &);
    void (*expand_near)(const double *distance, int64_t n_edges, double start, double step, int64_t n_functions,
                        int32_t *first, float *values);
    void (*activate)(int kind, const float *rows, int64_t n, float *out);
    void (*sum_gated)(int kind, const Argument &, const Near &, const Scaling &, float *sums);
    void (*differentiate)(int kind, const Argument &, const Near &, const Scaling &, const float *d_sums,
                          const Derivative &, float *d_scale, float *d_shift);
    void (*sum_arguments)(const Argument &, const Near &, float *argument, double *total, double *squares);
    void (*sum_gated_arguments)(int kind, const float *argument, const Scaling &, const Near &, int64_t n_atoms,
                                int64_t width, float *sums);
    void (*differentiate_gate)(int kind, const float *argument, const Scaling &, const Near &, int64_t n_atoms,
                               int64_t width, const float *d_sums, float *dz, double *total, double *product);
    void (*spread_derivative)(const float *argument, float *dz, const float *by_z, const float *by_a,
                              const float *constant, const Near &, int64_t n_atoms, int64_t width,
                              const Derivative &);
};

}  // namespace xtalgraph
