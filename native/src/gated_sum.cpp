// The gated sum: loops that touch each edge once forward and once back.
//
//     forward   a = v_i W_1 + v_j W_2 + u W_3,  z = scale â + shift
//               s_i += edge_weight σ(z)_gate ⊙ g(z)_message
//     backward  a again, which costs less than to store and read it; dz from ds; da, added up into the
//               derivatives of W_3 and of the atoms' parts
//
// â is a, or with a layer normalisation a less its mean and by its deviation. That mean is the sum of
// those of the three parts, which are taken off before the loops; then the sum of the squares is
// enough. Each activation and each way to scale has loops of its own: a choice in a loop would cost
// each edge.
#include "elementwise.hpp"

namespace xtalgraph {
namespace {

enum Mode { PLAIN, COLUMN, ROW };

Mode mode_of(const Scaling &scaling) {
    if (scaling.scale == nullptr) return PLAIN;
    return scaling.by_row ? ROW : COLUMN;
}

void take_off_mean(const float *rows, float *out, int64_t n_rows, int64_t n) {
    for (int64_t i = 0; i < n_rows; ++i) {
        const float *row = rows + i * n;
        float *target = out + i * n;
        float total = 0.0f;
        for (int64_t c = 0; c < n; ++c) total += row[c];
        const float mean = total / static_cast<float>(n);
        for (int64_t c = 0; c < n; ++c) target[c] = row[c] - mean;
    }
}

// The parts of the argument, without the mean of each row where rows are normalised.
class Parts {
  public:
    Parts(const Argument &given, bool by_row) : argument(given) {
        if (!by_row) return;
        const int64_t n = 2 * given.width;
        centre_.reserve(given.n_atoms * n);
        neighbour_.reserve(given.n_atoms * n);
        bond_.reserve(given.n_functions * n);
        take_off_mean(given.from_centre, centre_.data(), given.n_atoms, n);
        take_off_mean(given.from_neighbour, neighbour_.data(), given.n_atoms, n);
        take_off_mean(given.bond_weight, bond_.data(), given.n_functions, n);
        argument.from_centre = centre_.data();
        argument.from_neighbour = neighbour_.data();
        argument.bond_weight = bond_.data();
    }
    Argument argument;

  private:
    Array<float> centre_, neighbour_, bond_;
};

template <int KIND, int MODE>
void sum_gated_of(const Argument &argument, const Near &near, const Scaling &scaling, float *sums) {
    const int64_t width = argument.width, n = 2 * width;
    const float *RESTRICT scale = scaling.scale, *RESTRICT shift = scaling.shift;
    Row room(n);
    float *RESTRICT row = room.data();
    for (int64_t centre = 0; centre < argument.n_atoms; ++centre) {
        const float *own = argument.from_centre + centre * n;
        float *RESTRICT mine = sums + centre * width;
        for (int64_t c = 0; c < width; ++c) mine[c] = 0.0f;
        for (int64_t edge = near.starts[centre]; edge < near.starts[centre + 1]; ++edge) {
            const float *other = argument.from_neighbour + near.neighbour[edge] * n;
            const float *bond = argument.bond_weight + near.first[edge] * n;
            const float weight = near.edge_weight[edge];
            const float square = fill_argument(row, own, other, bond, near.values + N_NEAR * edge, n);
            float inverse = 1.0f;
            if (MODE == ROW) inverse = 1.0f / std::sqrt(square / static_cast<float>(n) + scaling.epsilon);
            for (int64_t c = 0; c < width; ++c) {
                float gate = row[c], message = row[width + c];
                if (MODE == ROW) {
                    gate *= inverse;
                    message *= inverse;
                }
                if (MODE != PLAIN) {
                    gate = gate * scale[c] + shift[c];
                    message = message * scale[width + c] + shift[width + c];
                }
                const Gated gated = gate_of<KIND>(gate, message);
                mine[c] += weight * gated.sigmoid * gated.value;
            }
        }
    }
}

template <int KIND, int MODE>
void differentiate_of(const Argument &argument, const Near &near, const Scaling &scaling, const float *d_sums,
                      const Derivative &derivative, float *RESTRICT d_scale, float *RESTRICT d_shift) {
    const int64_t width = argument.width, n = 2 * width;
    const float *RESTRICT scale = scaling.scale, *RESTRICT shift = scaling.shift;
    Row room(n), d_room(n);
    float *RESTRICT row = room.data(), *RESTRICT d_row = d_room.data();
    for (int64_t centre = 0; centre < argument.n_atoms; ++centre) {
        const float *own = argument.from_centre + centre * n;
        const float *RESTRICT mine = d_sums + centre * width;
        for (int64_t edge = near.starts[centre]; edge < near.starts[centre + 1]; ++edge) {
            const int64_t neighbour = near.neighbour[edge], begin = near.first[edge];
            const float *other = argument.from_neighbour + neighbour * n;
            const float *values = near.values + N_NEAR * edge;
            const float weight = near.edge_weight[edge];
            const float square = fill_argument(row, own, other, argument.bond_weight + begin * n, values, n);
            float inverse = 1.0f, product = 0.0f;
            if (MODE == ROW) inverse = 1.0f / std::sqrt(square / static_cast<float>(n) + scaling.epsilon);
            for (int64_t c = 0; c < width; ++c) {
                float gate = row[c], message = row[width + c], gate_unit = 0.0f, message_unit = 0.0f;
                if (MODE == ROW) {
                    gate_unit = gate * inverse;
                    message_unit = message * inverse;
                    gate = gate_unit * scale[c] + shift[c];
                    message = message_unit * scale[width + c] + shift[width + c];
                }
                const Gated gated = gate_of<KIND>(gate, message);
                float by_message = weight * mine[c] * gated.sigmoid;
                float by_gate = by_message * (1.0f - gated.sigmoid) * gated.value;
                by_message *= gated.slope;
                if (MODE == ROW) {
                    d_shift[c] += by_gate;
                    d_shift[width + c] += by_message;
                    d_scale[c] += by_gate * gate_unit;
                    d_scale[width + c] += by_message * message_unit;
                    by_gate *= scale[c];
                    by_message *= scale[width + c];
                    product += by_gate * gate_unit + by_message * message_unit;
                }
                d_row[c] = by_gate;
                d_row[width + c] = by_message;
            }
            if (MODE == ROW) {
                product = product * inverse / static_cast<float>(n);
                for (int64_t c = 0; c < n; ++c) d_row[c] = (d_row[c] - row[c] * product) * inverse;
            }
            add_to(derivative.from_centre + centre * n, d_row, n);
            add_to(derivative.from_neighbour + neighbour * n, d_row, n);
            add_to_weight(derivative.bond_weight + begin * n, d_row, values, n);
        }
    }
}

using Sum = void (*)(const Argument &, const Near &, const Scaling &, float *);
using Differentiate = void (*)(const Argument &, const Near &, const Scaling &, const float *, const Derivative &,
                               float *, float *);

const Sum SUMS[3][3] = {
    {sum_gated_of<SOFTPLUS, PLAIN>, sum_gated_of<SOFTPLUS, COLUMN>, sum_gated_of<SOFTPLUS, ROW>},
    {sum_gated_of<SILU, PLAIN>, sum_gated_of<SILU, COLUMN>, sum_gated_of<SILU, ROW>},
    {sum_gated_of<RELU, PLAIN>, sum_gated_of<RELU, COLUMN>, sum_gated_of<RELU, ROW>},
};
const Differentiate DERIVATIVES[3][2] = {
    {differentiate_of<SOFTPLUS, PLAIN>, differentiate_of<SOFTPLUS, ROW>},
    {differentiate_of<SILU, PLAIN>, differentiate_of<SILU, ROW>},
    {differentiate_of<RELU, PLAIN>, differentiate_of<RELU, ROW>},
};

}  // namespace

namespace LEVEL {

void sum_gated(int kind, const Argument &argument, const Near &near, const Scaling &scaling, float *sums) {
    const Parts parts(argument, scaling.by_row);
    SUMS[kind][mode_of(scaling)](parts.argument, near, scaling, sums);
}

// The derivatives are added to what is there, but for normalised rows, whose mean is taken off after:
// there they must be zero before. A scale without normalised rows has no form here.
void differentiate(int kind, const Argument &argument, const Near &near, const Scaling &scaling, const float *d_sums,
                   const Derivative &derivative, float *d_scale, float *d_shift) {
    const Parts parts(argument, scaling.by_row);
    DERIVATIVES[kind][scaling.by_row ? 1 : 0](parts.argument, near, scaling, d_sums, derivative, d_scale, d_shift);
    if (!scaling.by_row) return;
    const int64_t n = 2 * argument.width;
    take_off_mean(derivative.from_centre, derivative.from_centre, argument.n_atoms, n);
    take_off_mean(derivative.from_neighbour, derivative.from_neighbour, argument.n_atoms, n);
    take_off_mean(derivative.bond_weight, derivative.bond_weight, argument.n_functions, n);
}

}  // namespace LEVEL
}  // namespace xtalgraph
