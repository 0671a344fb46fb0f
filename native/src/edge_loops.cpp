// The gated sum where each column is normalised over the edges of a batch, what goes into it, and
// activations.
//
// What normalises an edge is known when all have been seen, so their arguments are stored and passed
// over twice in each direction:
//
//     forward   1. a, and its column sums      2. s_i from scale a + shift
//     backward  3. dz, and its column sums     4. da = A dz + B a + D, added up
#include "elementwise.hpp"

namespace xtalgraph {
namespace {

constexpr int64_t BLOCK = 64;  // edges whose column sums are added in float32 before they go to float64

// Sums by column of rows and of rows times other rows.
class ColumnSums {
  public:
    ColumnSums(int64_t n, double *total, double *products)
        : n_(n), total_(total), products_(products), room_(n), product_room_(n) {
        for (int64_t c = 0; c < n; ++c) total[c] = products[c] = 0.0;
    }
    void add(const float *RESTRICT row, const float *RESTRICT other) {
        float *RESTRICT sums = room_.data(), *RESTRICT products = product_room_.data();
        for (int64_t c = 0; c < n_; ++c) {
            sums[c] += row[c];
            products[c] += row[c] * other[c];
        }
        if (++n_in_block_ == BLOCK) finish();
    }
    void finish() {
        empty(room_.data(), total_);
        empty(product_room_.data(), products_);
        n_in_block_ = 0;
    }

  private:
    void empty(float *RESTRICT block, double *RESTRICT total) const {
        for (int64_t c = 0; c < n_; ++c) {
            total[c] += static_cast<double>(block[c]);
            block[c] = 0.0f;
        }
    }
    int64_t n_, n_in_block_ = 0;
    double *total_, *products_;
    Row room_, product_room_;
};

template <int KIND>
void sum_gated_arguments_of(const float *argument, const Scaling &scaling, const Near &near, int64_t n_atoms,
                            int64_t width, float *sums) {
    const float *RESTRICT scale = scaling.scale, *RESTRICT shift = scaling.shift;
    for (int64_t centre = 0; centre < n_atoms; ++centre) {
        float *RESTRICT mine = sums + centre * width;
        for (int64_t c = 0; c < width; ++c) mine[c] = 0.0f;
        for (int64_t edge = near.starts[centre]; edge < near.starts[centre + 1]; ++edge) {
            const float *RESTRICT row = argument + edge * 2 * width;
            const float weight = near.edge_weight[edge];
            for (int64_t c = 0; c < width; ++c) {
                const float gate = row[c] * scale[c] + shift[c];
                const float message = row[width + c] * scale[width + c] + shift[width + c];
                const Gated gated = gate_of<KIND>(gate, message);
                mine[c] += weight * gated.sigmoid * gated.value;
            }
        }
    }
}

// One edge. A function of its own, whose arguments are declared not to overlap: with pointers that are
// declared so within a loop the compiler still expects it, and takes one column at a time.
template <int KIND>
INLINE void differentiate_row(const float *RESTRICT row, const float *RESTRICT scale, const float *RESTRICT shift,
                              const float *RESTRICT mine, float weight, int64_t width, float *RESTRICT out) {
    for (int64_t c = 0; c < width; ++c) {
        const float gate = row[c] * scale[c] + shift[c];
        const float message = row[width + c] * scale[width + c] + shift[width + c];
        const Gated gated = gate_of<KIND>(gate, message);
        const float x = weight * mine[c] * gated.sigmoid;
        out[c] = x * (1.0f - gated.sigmoid) * gated.value;
        out[width + c] = x * gated.slope;
    }
}

template <int KIND>
void differentiate_gate_of(const float *argument, const Scaling &scaling, const Near &near, int64_t n_atoms,
                           int64_t width, const float *d_sums, float *dz, ColumnSums &columns) {
    for (int64_t centre = 0; centre < n_atoms; ++centre) {
        for (int64_t edge = near.starts[centre]; edge < near.starts[centre + 1]; ++edge) {
            const float *row = argument + edge * 2 * width;
            float *out = dz + edge * 2 * width;
            differentiate_row<KIND>(row, scaling.scale, scaling.shift, d_sums + centre * width, near.edge_weight[edge],
                                    width, out);
            columns.add(out, row);
        }
    }
}

template <int KIND> void activate_of(const float *RESTRICT rows, int64_t n, float *RESTRICT out) {
    for (int64_t i = 0; i < n; ++i) {
        const float x = rows[i];
        if (KIND == RELU) {
            out[i] = above_zero(x);
            continue;
        }
        const float e = exp_of(-std::fabs(x));
        if (KIND == SOFTPLUS)
            out[i] = above_zero(x) + log_of_one_plus(e);
        else
            out[i] = x * ((x >= 0.0f ? 1.0f : e) / (1.0f + e));
    }
}

}  // namespace

namespace LEVEL {

void sum_arguments(const Argument &argument, const Near &near, float *arguments, double *total, double *squares) {
    const int64_t n = 2 * argument.width;
    ColumnSums columns(n, total, squares);
    for (int64_t centre = 0; centre < argument.n_atoms; ++centre) {
        const float *own = argument.from_centre + centre * n;
        for (int64_t edge = near.starts[centre]; edge < near.starts[centre + 1]; ++edge) {
            float *row = arguments + edge * n;
            const float *other = argument.from_neighbour + near.neighbour[edge] * n;
            fill_argument(row, own, other, argument.bond_weight + near.first[edge] * n, near.values + N_NEAR * edge, n);
            columns.add(row, row);
        }
    }
    columns.finish();
}

void sum_gated_arguments(int kind, const float *argument, const Scaling &scaling, const Near &near, int64_t n_atoms,
                         int64_t width, float *sums) {
    const auto loop = kind == SILU       ? sum_gated_arguments_of<SILU>
                      : kind == SOFTPLUS ? sum_gated_arguments_of<SOFTPLUS>
                                         : sum_gated_arguments_of<RELU>;
    loop(argument, scaling, near, n_atoms, width, sums);
}

void differentiate_gate(int kind, const float *argument, const Scaling &scaling, const Near &near, int64_t n_atoms,
                        int64_t width, const float *d_sums, float *dz, double *total, double *product) {
    ColumnSums columns(2 * width, total, product);
    const auto loop = kind == SILU       ? differentiate_gate_of<SILU>
                      : kind == SOFTPLUS ? differentiate_gate_of<SOFTPLUS>
                                         : differentiate_gate_of<RELU>;
    loop(argument, scaling, near, n_atoms, width, d_sums, dz, columns);
    columns.finish();
}

// The three derivatives must be zero before; `dz` becomes da.
void spread_derivative(const float *argument, float *dz, const float *RESTRICT by_z, const float *RESTRICT by_a,
                       const float *RESTRICT constant, const Near &near, int64_t n_atoms, int64_t width,
                       const Derivative &derivative) {
    const int64_t n = 2 * width;
    for (int64_t centre = 0; centre < n_atoms; ++centre) {
        for (int64_t edge = near.starts[centre]; edge < near.starts[centre + 1]; ++edge) {
            const float *RESTRICT row = argument + edge * n;
            float *RESTRICT d_row = dz + edge * n;
            for (int64_t c = 0; c < n; ++c) d_row[c] = by_z[c] * d_row[c] + by_a[c] * row[c] + constant[c];
            add_to(derivative.from_centre + centre * n, d_row, n);
            add_to(derivative.from_neighbour + near.neighbour[edge] * n, d_row, n);
            add_to_weight(derivative.bond_weight + near.first[edge] * n, d_row, near.values + N_NEAR * edge, n);
        }
    }
}

// The N_NEAR Gaussians around each distance: the first one's number, and all values.
void expand_near(const double *distance, int64_t n_edges, double start, double step, int64_t n_functions,
                 int32_t *first, float *values) {
    const double ratio_of_ratios = std::exp(-2.0), last = static_cast<double>(n_functions - N_NEAR);
    for (int64_t edge = 0; edge < n_edges; ++edge) {
        const double place = (distance[edge] - start) / step;
        double begin = std::floor(place) - static_cast<double>(N_NEAR / 2 - 1);
        begin = begin > 0.0 ? least(begin, last) : 0.0;  // nan too is given a number
        first[edge] = static_cast<int32_t>(begin);
        // from k to k + 1 exp(-(x - k)²) takes a factor exp(2 (x - k) - 1): two exp for the eight; for x
        // of 30 or more, far beyond the last Gaussian, all are 0 in float32
        const double x = least(place - begin, 30.0);
        double value = std::exp(-(x * x)), ratio = std::exp(2.0 * x - 1.0);
        for (int64_t k = 0; k < N_NEAR; ++k) {
            values[N_NEAR * edge + k] = static_cast<float>(value);
            value *= ratio;
            ratio *= ratio_of_ratios;
        }
    }
}

void activate(int kind, const float *rows, int64_t n, float *out) {
    const auto loop = kind == SILU ? activate_of<SILU> : kind == SOFTPLUS ? activate_of<SOFTPLUS> : activate_of<RELU>;
    loop(rows, n, out);
}

}  // namespace LEVEL
}  // namespace xtalgraph
