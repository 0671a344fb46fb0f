// The bindings: shapes, types and ranges are checked here, so that no loop reads or writes elsewhere.
//
// Arrays are taken as they are, `noconvert`: a silently converted output would be filled and thrown
// away. A wrong type is a TypeError, a wrong shape or range a ValueError, a crystal that cannot be
// searched `Refused` with its number, its site (-1: the lattice) and the reason.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>

#include "levels.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace xtalgraph;

namespace {

template <class T, int N> using In = nb::ndarray<const T, nb::ndim<N>, nb::c_contig, nb::device::cpu>;
template <class T, int N> using Out = nb::ndarray<T, nb::ndim<N>, nb::c_contig, nb::device::cpu>;
template <class T> using Numpy = nb::ndarray<nb::numpy, T>;

template <class A> int64_t rows_of(const A &array) { return static_cast<int64_t>(array.shape(0)); }
template <class A> int64_t columns_of(const A &array) { return static_cast<int64_t>(array.shape(1)); }

void require(bool holds, const char *otherwise) {
    if (!holds) throw std::invalid_argument(otherwise);
}

// Levels

const Kernels *used = nullptr;

std::string list_levels() {
    std::string names;
    for (const Kernels *level : supported_levels()) names += (names.empty() ? "" : ", ") + std::string(level->name);
    return names;
}

// Choose the kernels of a level, or the best of this processor for an empty name.
void use(const std::string &name) {
    for (const Kernels *level : supported_levels())
        if (name.empty() || name == level->name) {
            used = level;
            return;
        }
    if (name.empty()) throw std::runtime_error("xtalgraph needs a processor of the level x86-64-v2 (2009) or later");
    throw std::invalid_argument("no instruction level '" + name + "' on this processor, which has: " + list_levels());
}

// The kernels in use. The first call chooses them, by XTALGRAPH_SIMD if that is set.
const Kernels &kernels() {
    if (used == nullptr) {
        const char *wanted = std::getenv("XTALGRAPH_SIMD");
        try {
            use(wanted == nullptr ? "" : wanted);
        } catch (const std::invalid_argument &unknown) {
            nb::object error = nb::module_::import_("xtalgraph.errors").attr("BadConfig");
            const std::string text = std::string("XTALGRAPH_SIMD: ") + unknown.what() + ".";
            PyErr_SetString(error.ptr(), text.c_str());
            throw nb::python_error();
        }
    }
    return *used;
}

// Crystals

std::string describe(const Refused &refused) {
    char text[160];
    switch (refused.problem) {
        case Problem::NOT_FINITE: return "a component of a lattice vector is not a finite number";
        case Problem::TOO_LONG:
            std::snprintf(text, sizeof text, "a component of a lattice vector is beyond %.0f Å", refused.value);
            return text;
        case Problem::TOO_SKEWED: return "the cell is too skewed for its atoms to be placed";
        case Problem::FAR_POSITION:
            std::snprintf(text, sizeof text, "a fractional coordinate is %.3g; it must lie within ±1e6", refused.value);
            return text;
        case Problem::TOO_MANY:
            std::snprintf(text, sizeof text, "absurdly many atoms lie within %.3g Å of one", refused.value);
            return text;
        case Problem::FAR_IMAGE: return "the image of a neighbour is beyond ±2147483647 cells";
    }
    return "it cannot be searched";
}

void require_offsets(const int64_t *offsets, int64_t first, int64_t last, int64_t n_all, const char *otherwise) {
    require(offsets[first] >= 0 && offsets[last] <= n_all, otherwise);
    for (int64_t i = first; i < last; ++i) require(offsets[i] <= offsets[i + 1], otherwise);
}

template <class T> Numpy<T> take_over(T *data, std::initializer_list<size_t> shape) {
    nb::capsule owner(data, [](void *own) noexcept { std::free(own); });
    return Numpy<T>(data, shape, owner);
}

struct EdgesOwner {  // frees what was not taken over
    Edges edges;
    ~EdgesOwner() {
        std::free(edges.neighbours);
        std::free(edges.images);
        std::free(edges.distances);
    }
};

template <class T> T *released(T *&data) {
    T *own = data;
    data = nullptr;
    return own;
}

nb::tuple find_neighbours(In<double, 3> lattices, In<double, 2> positions, In<int64_t, 1> offsets, int64_t first,
                          int64_t last, int rule, int64_t n_neighbours, double cutoff, double same_shell,
                          Out<int64_t, 1> counts) {
    require(lattices.shape(1) == 3 && lattices.shape(2) == 3, "lattices: not of shape [n, 3, 3]");
    require(positions.shape(1) == 3, "positions: not of shape [n, 3]");
    require(0 <= first && first <= last && last <= rows_of(lattices) && last < rows_of(offsets),
            "first and last: not crystals of the store");
    require_offsets(offsets.data(), first, last, rows_of(positions), "offsets: not ascending within the atoms");
    require(rows_of(counts) == offsets.data()[last] - offsets.data()[first], "counts: not one for each atom");
    require(NEAREST <= rule && rule <= RADIUS, "rule: not known");
    require(0 <= n_neighbours && n_neighbours <= 1'000'000, "n_neighbours: not in [0, 1000000]");
    require(cutoff > 0.0 && cutoff <= 1e6, "cutoff: not in (0, 1e6] Å");
    require(same_shell >= 0.0 && same_shell <= 1e6, "same_shell: not in [0, 1e6] Å");
    const Kernels &k = kernels();
    EdgesOwner found;
    {
        nb::gil_scoped_release release;
        const Store store{lattices.data(), positions.data(), offsets.data()};
        k.find_neighbours(store, first, last, Search{rule, n_neighbours, cutoff, same_shell}, counts.data(), found.edges);
    }
    Edges &edges = found.edges;
    const size_t n = static_cast<size_t>(edges.n_edges);
    Numpy<int64_t> neighbours = take_over(released(edges.neighbours), {n});
    Numpy<int32_t> images = take_over(released(edges.images), {n, 3});
    Numpy<double> distances = take_over(released(edges.distances), {n});
    return nb::make_tuple(neighbours, images, distances);
}

bool has_pair_within(In<double, 2> lattice, In<double, 2> positions, double radius) {
    require(lattice.shape(0) == 3 && lattice.shape(1) == 3, "lattice: not of shape [3, 3]");
    require(positions.shape(1) == 3, "positions: not of shape [n, 3]");
    require(radius > 0.0 && radius <= 1e6, "radius: not in (0, 1e6] Å");
    const Kernels &k = kernels();
    const int64_t offsets[2] = {0, rows_of(positions)};
    nb::gil_scoped_release release;
    return k.has_pair_within(Store{lattice.data(), positions.data(), offsets}, radius);
}

nb::tuple reduce_lattice(In<double, 2> lattice, Out<double, 2> reduced, Out<int64_t, 2> forward) {
    for (const auto &shape : {std::pair{lattice.shape(0), lattice.shape(1)}, std::pair{reduced.shape(0), reduced.shape(1)},
                              std::pair{forward.shape(0), forward.shape(1)}})
        require(shape.first == 3 && shape.second == 3, "lattice, reduced and forward: not of shape [3, 3]");
    Lattice found;
    kernels().reduce_lattice(lattice.data(), 1e-6, found);
    for (int i = 0; i < 9; ++i) {
        reduced.data()[i] = found.reduced[i];
        forward.data()[i] = found.forward[i];
    }
    return nb::make_tuple(found.short_vector, found.short_length);
}

// Graphs

int64_t weigh_smoothly(Out<int64_t, 1> neighbour, Out<int32_t, 2> image, Out<double, 1> distance, Out<int64_t, 1> counts,
                       int64_t n_neighbours, double cutoff, Out<double, 1> weight) {
    const int64_t n_all = rows_of(distance);
    require(rows_of(neighbour) == n_all && rows_of(image) == n_all && columns_of(image) == 3 && rows_of(weight) == n_all,
            "neighbour, image and weight: not one row for each distance");
    require(n_neighbours >= 0, "n_neighbours: negative");
    int64_t n_edges = 0;
    for (int64_t i = 0; i < rows_of(counts); ++i) {
        const int64_t count = counts.data()[i];
        require(0 <= count && count <= n_all - n_edges, "counts: not those of the distances");
        n_edges += count;
    }
    require(n_edges == n_all, "counts: not those of the distances");
    const Kernels &k = kernels();
    nb::gil_scoped_release release;
    const Weighed edges{neighbour.data(), image.data(), distance.data(), weight.data()};
    return k.weigh_smoothly(edges, counts.data(), rows_of(counts), n_neighbours, cutoff);
}

void require_within(const int64_t *values, int64_t n, int64_t end, const char *otherwise) {
    bool is_within = true;
    for (int64_t i = 0; i < n; ++i) is_within &= static_cast<uint64_t>(values[i]) < static_cast<uint64_t>(end);
    require(is_within, otherwise);
}

void require_starts(const In<int64_t, 1> &starts, int64_t n_rows, int64_t n_all) {
    constexpr const char *otherwise = "starts: not ascending from 0 to the number of edges, one more than atoms";
    require(rows_of(starts) == n_rows + 1 && starts.data()[0] == 0 && starts.data()[n_rows] == n_all, otherwise);
    require_offsets(starts.data(), 0, n_rows, n_all, otherwise);
}

nb::tuple deduplicate(In<int64_t, 1> atomic_numbers, In<int64_t, 1> starts, In<int64_t, 1> neighbour,
                      In<double, 1> distance, In<double, 1> weight, In<int64_t, 1> offsets, Out<int64_t, 2> nodes,
                      Out<int64_t, 2> edges, Out<double, 2> lengths_and_weights) {
    const int64_t n_atoms = rows_of(atomic_numbers), n_edges = rows_of(neighbour);
    require_starts(starts, n_atoms, n_edges);
    require_within(neighbour.data(), n_edges, n_atoms, "neighbour: not an atom");
    require(rows_of(distance) == n_edges && rows_of(weight) == n_edges, "distance and weight: not one for each edge");
    require(rows_of(offsets) >= 1 && offsets.data()[0] == 0 && offsets.data()[rows_of(offsets) - 1] == n_atoms,
            "offsets: not from 0 to the number of atoms");
    require_offsets(offsets.data(), 0, rows_of(offsets) - 1, n_atoms, "offsets: not ascending");
    require(rows_of(nodes) == 3 && columns_of(nodes) == n_atoms, "nodes: not of shape [3, n_atoms]");
    require(rows_of(edges) == 2 && columns_of(edges) == n_edges, "edges: not of shape [2, n_edges]");
    require(rows_of(lengths_and_weights) == 2 && columns_of(lengths_and_weights) == n_edges,
            "lengths_and_weights: not of shape [2, n_edges]");
    const Kernels &k = kernels();
    const Graph graph{n_atoms,           n_edges,         rows_of(offsets) - 1, atomic_numbers.data(), starts.data(),
                      neighbour.data(),  distance.data(), weight.data(),        offsets.data()};
    Merged merged{nodes.data(), nodes.data() + n_atoms, nodes.data() + 2 * n_atoms, edges.data(), edges.data() + n_edges,
                  lengths_and_weights.data(), lengths_and_weights.data() + n_edges, 0, 0};
    {
        nb::gil_scoped_release release;
        k.deduplicate(graph, merged);
    }
    return nb::make_tuple(merged.n_nodes, merged.n_edges);
}

// Gated sums

void require_kind(int kind) { require(SOFTPLUS <= kind && kind <= RELU, "kind: no activation of these loops"); }

void expand_near(In<double, 1> distance, double start, double step, int64_t n_functions, Out<int32_t, 1> first,
                 Out<float, 2> values) {
    require(rows_of(first) == rows_of(distance) && rows_of(values) == rows_of(distance) && columns_of(values) == N_NEAR,
            "first and values: not one row for each distance");
    require(n_functions >= N_NEAR && n_functions <= 1'000'000, "n_functions: too few or too many");
    require(std::isfinite(start) && std::isfinite(step) && step != 0.0, "start and step: not finite numbers");
    const Kernels &k = kernels();
    nb::gil_scoped_release release;
    k.expand_near(distance.data(), rows_of(distance), start, step, n_functions, first.data(), values.data());
}

void activate(int kind, nb::ndarray<const float, nb::ndim<2>, nb::device::cpu> rows, Out<float, 2> out) {
    require_kind(kind);
    require(rows.stride(1) == 1 || rows.size() == 0 || columns_of(rows) == 1, "rows: not contiguous one by one");
    require(rows.shape(0) == out.shape(0) && rows.shape(1) == out.shape(1), "out: not of the shape of rows");
    const Kernels &k = kernels();
    nb::gil_scoped_release release;
    const bool is_whole = rows.stride(0) == columns_of(rows);
    const int64_t n = columns_of(rows), n_pieces = is_whole ? 1 : rows_of(rows);
    for (int64_t i = 0; i < n_pieces; ++i)
        k.activate(kind, rows.data() + i * rows.stride(0), is_whole ? n * rows_of(rows) : n, out.data() + i * n);
}

// The edges as the loops read them: the first of the functions near a distance, their values, where
// the edges of each atom begin, neighbours, weights.
struct Bonds {
    In<int32_t, 1> first;
    In<float, 2> values;
    In<int64_t, 1> starts, neighbour;
    In<float, 1> edge_weight;

    Near check(int64_t n_atoms, int64_t n_functions) const {
        const int64_t n_edges = rows_of(first);
        require(rows_of(values) == n_edges && columns_of(values) == N_NEAR, "basis_values: not of shape [n_edges, 8]");
        require(rows_of(neighbour) == n_edges && rows_of(edge_weight) == n_edges,
                "neighbour and edge_weight: not one for each edge");
        require_starts(starts, n_atoms, n_edges);
        require_within(neighbour.data(), n_edges, n_atoms, "neighbour: not an atom");
        require(n_functions >= N_NEAR, "bond_weight: fewer than 8 rows");
        const uint32_t end = static_cast<uint32_t>(n_functions - N_NEAR);
        bool is_within = true;
        for (int64_t i = 0; i < n_edges; ++i) is_within &= static_cast<uint32_t>(first.data()[i]) <= end;
        require(is_within, "first: not a row of bond_weight with seven more after it");
        return Near{first.data(), values.data(), starts.data(), neighbour.data(), edge_weight.data()};
    }
};

using Maybe = std::optional<In<float, 1>>;

Argument check_parts(const In<float, 2> &from_centre, const In<float, 2> &from_neighbour, const In<float, 2> &bond_weight) {
    const int64_t n = columns_of(from_centre);
    require(n % 2 == 0, "from_centre: an odd number of columns");
    require(columns_of(from_neighbour) == n && columns_of(bond_weight) == n, "parts: not of one width");
    require(rows_of(from_neighbour) == rows_of(from_centre), "parts: not of one number of atoms");
    require(rows_of(bond_weight) <= 1'000'000, "bond_weight: too many rows");
    return Argument{from_centre.data(), from_neighbour.data(), bond_weight.data(),
                    rows_of(from_centre), rows_of(bond_weight), n / 2};
}

xtalgraph::Scaling check_scaling(const Maybe &scale, const Maybe &shift, std::optional<float> epsilon, int64_t width) {
    require(scale.has_value() == shift.has_value(), "scale and shift: one without the other");
    require(scale.has_value() || !epsilon.has_value(), "epsilon: without scale and shift");
    if (!scale.has_value()) return {nullptr, nullptr, false, 0.0f};
    require(rows_of(*scale) == 2 * width && rows_of(*shift) == 2 * width, "scale and shift: not one for each column");
    return {scale->data(), shift->data(), epsilon.has_value(), epsilon.value_or(0.0f)};
}

Derivative check_derivatives(const Out<float, 2> &d_centre, const Out<float, 2> &d_neighbour, const Out<float, 2> &d_weight,
                             int64_t n_atoms, int64_t n_functions, int64_t width) {
    for (const auto *part : {&d_centre, &d_neighbour})
        require(rows_of(*part) == n_atoms && columns_of(*part) == 2 * width, "d_centre and d_neighbour: not of the parts' shape");
    require(rows_of(d_weight) == n_functions && columns_of(d_weight) == 2 * width, "d_weight: not of the part's shape");
    return Derivative{d_centre.data(), d_neighbour.data(), d_weight.data()};
}

void sum_gated(int kind, In<float, 2> from_centre, In<float, 2> from_neighbour, In<float, 2> bond_weight,
               In<int32_t, 1> first, In<float, 2> values, In<int64_t, 1> starts, In<int64_t, 1> neighbour,
               In<float, 1> edge_weight, Maybe scale, Maybe shift, std::optional<float> epsilon, Out<float, 2> sums) {
    require_kind(kind);
    const Argument argument = check_parts(from_centre, from_neighbour, bond_weight);
    const Near near = Bonds{first, values, starts, neighbour, edge_weight}.check(argument.n_atoms, argument.n_functions);
    const xtalgraph::Scaling scaling = check_scaling(scale, shift, epsilon, argument.width);
    require(rows_of(sums) == argument.n_atoms && columns_of(sums) == argument.width, "sums: not of shape [n_atoms, width]");
    const Kernels &k = kernels();
    nb::gil_scoped_release release;
    k.sum_gated(kind, argument, near, scaling, sums.data());
}

void differentiate(int kind, In<float, 2> from_centre, In<float, 2> from_neighbour, In<float, 2> bond_weight,
                   In<int32_t, 1> first, In<float, 2> values, In<int64_t, 1> starts, In<int64_t, 1> neighbour,
                   In<float, 1> edge_weight, Maybe scale, Maybe shift, std::optional<float> epsilon,
                   In<float, 2> d_sums, Out<float, 2> d_centre, Out<float, 2> d_neighbour, Out<float, 2> d_weight,
                   std::optional<Out<float, 1>> d_scale, std::optional<Out<float, 1>> d_shift) {
    require_kind(kind);
    const Argument argument = check_parts(from_centre, from_neighbour, bond_weight);
    const Near near = Bonds{first, values, starts, neighbour, edge_weight}.check(argument.n_atoms, argument.n_functions);
    const xtalgraph::Scaling scaling = check_scaling(scale, shift, epsilon, argument.width);
    require(scaling.by_row || scaling.scale == nullptr, "scale: differentiated only where rows are normalised");
    require(rows_of(d_sums) == argument.n_atoms && columns_of(d_sums) == argument.width, "d_sums: not of shape [n_atoms, width]");
    const Derivative derivative =
        check_derivatives(d_centre, d_neighbour, d_weight, argument.n_atoms, argument.n_functions, argument.width);
    require(d_scale.has_value() == scaling.by_row && d_shift.has_value() == scaling.by_row,
            "d_scale and d_shift: given where rows are normalised, and only there");
    if (scaling.by_row)
        require(rows_of(*d_scale) == 2 * argument.width && rows_of(*d_shift) == 2 * argument.width,
                "d_scale and d_shift: not one for each column");
    const Kernels &k = kernels();
    nb::gil_scoped_release release;
    k.differentiate(kind, argument, near, scaling, d_sums.data(), derivative, scaling.by_row ? d_scale->data() : nullptr,
                    scaling.by_row ? d_shift->data() : nullptr);
}

void sum_arguments(In<float, 2> from_centre, In<float, 2> from_neighbour, In<float, 2> bond_weight, In<int32_t, 1> first,
                   In<float, 2> values, In<int64_t, 1> starts, In<int64_t, 1> neighbour, In<float, 1> edge_weight,
                   Out<float, 2> arguments, Out<double, 1> total, Out<double, 1> squares) {
    const Argument argument = check_parts(from_centre, from_neighbour, bond_weight);
    const Near near = Bonds{first, values, starts, neighbour, edge_weight}.check(argument.n_atoms, argument.n_functions);
    require(rows_of(arguments) == rows_of(first) && columns_of(arguments) == 2 * argument.width,
            "arguments: not of shape [n_edges, 2 width]");
    require(rows_of(total) == 2 * argument.width && rows_of(squares) == 2 * argument.width,
            "total and squares: not one for each column");
    const Kernels &k = kernels();
    nb::gil_scoped_release release;
    k.sum_arguments(argument, near, arguments.data(), total.data(), squares.data());
}

// Where arguments are stored, only starts and weights of the edges are needed.
struct Stored {
    int64_t n_atoms, width;
    Near near;
    xtalgraph::Scaling scaling;
};

Stored check_stored(int kind, const In<float, 2> &arguments, const In<float, 1> &scale, const In<float, 1> &shift,
                    const In<int64_t, 1> &starts, const In<float, 1> &edge_weight) {
    require_kind(kind);
    const int64_t n_atoms = rows_of(starts) - 1, width = columns_of(arguments) / 2;
    require(columns_of(arguments) % 2 == 0, "arguments: an odd number of columns");
    require(n_atoms >= 0, "starts: empty");
    require_starts(starts, n_atoms, rows_of(arguments));
    require(rows_of(edge_weight) == rows_of(arguments), "edge_weight: not one for each edge");
    const Maybe a(scale), b(shift);
    return {n_atoms, width, Near{nullptr, nullptr, starts.data(), nullptr, edge_weight.data()},
            check_scaling(a, b, std::nullopt, width)};
}

void sum_gated_arguments(int kind, In<float, 2> arguments, In<float, 1> scale, In<float, 1> shift, In<int64_t, 1> starts,
                         In<float, 1> edge_weight, Out<float, 2> sums) {
    const Stored stored = check_stored(kind, arguments, scale, shift, starts, edge_weight);
    require(rows_of(sums) == stored.n_atoms && columns_of(sums) == stored.width, "sums: not of shape [n_atoms, width]");
    const Kernels &k = kernels();
    nb::gil_scoped_release release;
    k.sum_gated_arguments(kind, arguments.data(), stored.scaling, stored.near, stored.n_atoms, stored.width, sums.data());
}

void differentiate_gate(int kind, In<float, 2> arguments, In<float, 1> scale, In<float, 1> shift, In<int64_t, 1> starts,
                        In<float, 1> edge_weight, In<float, 2> d_sums, Out<float, 2> dz, Out<double, 1> total,
                        Out<double, 1> product) {
    const Stored stored = check_stored(kind, arguments, scale, shift, starts, edge_weight);
    require(rows_of(d_sums) == stored.n_atoms && columns_of(d_sums) == stored.width, "d_sums: not of shape [n_atoms, width]");
    require(dz.shape(0) == arguments.shape(0) && dz.shape(1) == arguments.shape(1), "dz: not of the shape of arguments");
    require(rows_of(total) == 2 * stored.width && rows_of(product) == 2 * stored.width,
            "total and product: not one for each column");
    const Kernels &k = kernels();
    nb::gil_scoped_release release;
    k.differentiate_gate(kind, arguments.data(), stored.scaling, stored.near, stored.n_atoms, stored.width, d_sums.data(),
                         dz.data(), total.data(), product.data());
}

void spread_derivative(In<float, 2> arguments, Out<float, 2> dz, In<float, 1> by_z, In<float, 1> by_a, In<float, 1> constant,
                       In<int32_t, 1> first, In<float, 2> values, In<int64_t, 1> starts, In<int64_t, 1> neighbour,
                       In<float, 1> edge_weight, Out<float, 2> d_centre, Out<float, 2> d_neighbour, Out<float, 2> d_weight) {
    const int64_t n_atoms = rows_of(d_centre), n = columns_of(arguments);
    require(n % 2 == 0, "arguments: an odd number of columns");
    const Derivative derivative = check_derivatives(d_centre, d_neighbour, d_weight, n_atoms, rows_of(d_weight), n / 2);
    const Near near = Bonds{first, values, starts, neighbour, edge_weight}.check(n_atoms, rows_of(d_weight));
    require(rows_of(arguments) == rows_of(first), "arguments: not one row for each edge");
    require(dz.shape(0) == arguments.shape(0) && dz.shape(1) == arguments.shape(1), "dz: not of the shape of arguments");
    require(rows_of(by_z) == n && rows_of(by_a) == n && rows_of(constant) == n,
            "by_z, by_a and constant: not one for each column");
    const Kernels &k = kernels();
    nb::gil_scoped_release release;
    k.spread_derivative(arguments.data(), dz.data(), by_z.data(), by_a.data(), constant.data(), near, n_atoms, n / 2, derivative);
}

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "The loops of xtalgraph, compiled.";
    nb::object refused = nb::steal(PyErr_NewException("xtalgraph._native.Refused", PyExc_ValueError, nullptr));
    m.attr("Refused") = refused;
    nb::register_exception_translator(
        [](const std::exception_ptr &pointer, void *type) {
            try {
                std::rethrow_exception(pointer);
            } catch (const Refused &problem) {
                nb::tuple content = nb::make_tuple(problem.crystal, problem.site, describe(problem));
                PyErr_SetObject(static_cast<PyObject *>(type), content.ptr());
            }
        },
        refused.ptr());

    m.def("list_levels", [] {
        std::vector<std::string> names;
        for (const Kernels *level : supported_levels()) names.emplace_back(level->name);
        return names;
    });
    m.def("level_in_use", [] { return std::string(kernels().name); });
    m.def("use_level", &use, "level"_a);

    m.def("find_neighbours", &find_neighbours, "lattices"_a.noconvert(), "positions"_a.noconvert(), "offsets"_a.noconvert(),
          "first"_a, "last"_a, "rule"_a, "n_neighbours"_a, "cutoff"_a, "same_shell"_a, "counts"_a.noconvert());
    m.def("has_pair_within", &has_pair_within, "lattice"_a.noconvert(), "positions"_a.noconvert(), "radius"_a);
    m.def("reduce_lattice", &reduce_lattice, "lattice"_a.noconvert(), "reduced"_a.noconvert(), "forward"_a.noconvert());
    m.def("weigh_smoothly", &weigh_smoothly, "neighbour"_a.noconvert(), "image"_a.noconvert(), "distance"_a.noconvert(),
          "counts"_a.noconvert(), "n_neighbours"_a, "cutoff"_a, "weight"_a.noconvert());
    m.def("deduplicate", &deduplicate, "atomic_numbers"_a.noconvert(), "starts"_a.noconvert(), "neighbour"_a.noconvert(),
          "distance"_a.noconvert(), "weight"_a.noconvert(), "offsets"_a.noconvert(), "nodes"_a.noconvert(),
          "edges"_a.noconvert(), "lengths_and_weights"_a.noconvert());
    m.def("expand_near", &expand_near, "distance"_a.noconvert(), "start"_a, "step"_a, "n_functions"_a, "first"_a.noconvert(),
          "basis_values"_a.noconvert());
    m.def("activate", &activate, "kind"_a, "rows"_a.noconvert(), "out"_a.noconvert());
    m.def("sum_gated", &sum_gated, "kind"_a, "from_centre"_a.noconvert(), "from_neighbour"_a.noconvert(),
          "bond_weight"_a.noconvert(), "first"_a.noconvert(), "basis_values"_a.noconvert(), "starts"_a.noconvert(),
          "neighbour"_a.noconvert(), "edge_weight"_a.noconvert(), "scale"_a.noconvert().none(), "shift"_a.noconvert().none(),
          "epsilon"_a.none(), "sums"_a.noconvert());
    m.def("differentiate", &differentiate, "kind"_a, "from_centre"_a.noconvert(), "from_neighbour"_a.noconvert(),
          "bond_weight"_a.noconvert(), "first"_a.noconvert(), "basis_values"_a.noconvert(), "starts"_a.noconvert(),
          "neighbour"_a.noconvert(), "edge_weight"_a.noconvert(), "scale"_a.noconvert().none(), "shift"_a.noconvert().none(),
          "epsilon"_a.none(), "d_sums"_a.noconvert(), "d_centre"_a.noconvert(), "d_neighbour"_a.noconvert(),
          "d_weight"_a.noconvert(), "d_scale"_a.noconvert().none(), "d_shift"_a.noconvert().none());
    m.def("sum_arguments", &sum_arguments, "from_centre"_a.noconvert(), "from_neighbour"_a.noconvert(),
          "bond_weight"_a.noconvert(), "first"_a.noconvert(), "basis_values"_a.noconvert(), "starts"_a.noconvert(),
          "neighbour"_a.noconvert(), "edge_weight"_a.noconvert(), "arguments"_a.noconvert(), "total"_a.noconvert(),
          "squares"_a.noconvert());
    m.def("sum_gated_arguments", &sum_gated_arguments, "kind"_a, "arguments"_a.noconvert(), "scale"_a.noconvert(),
          "shift"_a.noconvert(), "starts"_a.noconvert(), "edge_weight"_a.noconvert(), "sums"_a.noconvert());
    m.def("differentiate_gate", &differentiate_gate, "kind"_a, "arguments"_a.noconvert(), "scale"_a.noconvert(),
          "shift"_a.noconvert(), "starts"_a.noconvert(), "edge_weight"_a.noconvert(), "d_sums"_a.noconvert(),
          "dz"_a.noconvert(), "total"_a.noconvert(), "product"_a.noconvert());
    m.def("spread_derivative", &spread_derivative, "arguments"_a.noconvert(), "dz"_a.noconvert(), "by_z"_a.noconvert(),
          "by_a"_a.noconvert(), "constant"_a.noconvert(), "first"_a.noconvert(), "basis_values"_a.noconvert(),
          "starts"_a.noconvert(), "neighbour"_a.noconvert(), "edge_weight"_a.noconvert(), "d_centre"_a.noconvert(),
          "d_neighbour"_a.noconvert(), "d_weight"_a.noconvert());
}
