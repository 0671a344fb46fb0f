// Which atoms of a crystal no network of elements and distances can tell apart, and which edges.
//
// Colour refinement on the graph itself: the colour of an atom is its element, then again and again
// a mixture of its colour with those of its neighbours and their distances, until the number of
// colours stays.
#include <algorithm>

#include "shared.hpp"

namespace xtalgraph {
namespace {

constexpr double EQUAL = 1e-3;         // Å; lengths in one step of this size are equal
constexpr double EQUAL_WEIGHT = 1e-4;  // likewise of the weights of edges
constexpr double PHASE = 0.3819660112501051;  // where steps begin, so that no round number lies between two
constexpr double LONGEST = 1e12;       // steps; of a length or a weight that is no such thing

constexpr uint64_t FIRST_FACTOR = 0xBF58476D1CE4E5B9, SECOND_FACTOR = 0x94D049BB133111EB;
constexpr uint64_t ATOM_SALT = 0x9E3779B97F4A7C15, LENGTH_SALT = 0xD1B54A32D192ED03;

// Another 64-bit number, one to one (the end of splitmix64).
INLINE uint64_t scrambled(uint64_t x) {
    x = (x ^ (x >> 30)) * FIRST_FACTOR;
    x = (x ^ (x >> 27)) * SECOND_FACTOR;
    return x ^ (x >> 31);
}

INLINE int64_t step_of(double value, double size) {
    const double step = std::floor(value / size + PHASE);
    return static_cast<int64_t>(step >= -LONGEST ? least(step, LONGEST) : -LONGEST);
}

class Deduplication {
  public:
    explicit Deduplication(const Graph &graph)
        : g_(graph), steps_(graph.n_edges), order_(graph.n_edges), colour_(graph.n_atoms), fresh_(graph.n_atoms),
          sorted_(graph.n_atoms), by_colour_(graph.n_atoms), first_of_(graph.n_atoms), node_of_(graph.n_atoms),
          lengths_(graph.n_edges), weights_(graph.n_edges) {}

    void run(Merged &merged) {
        paint();
        merged.n_nodes = 0;
        for (int64_t atom = 0; atom < g_.n_atoms; ++atom) merged.sizes[atom] = merged.counts[atom] = 0;
        for (int64_t crystal = 0; crystal < g_.n_crystals; ++crystal) {
            const int64_t begin = g_.offsets[crystal], end = g_.offsets[crystal + 1];
            refine(begin, end);
            number_classes(begin, end, merged);
        }
        merge_edges(merged);
    }

  private:
    void paint() {
        for (int64_t edge = 0; edge < g_.n_edges; ++edge) steps_[edge] = step_of(g_.distance[edge], EQUAL);
        for (int64_t atom = 0; atom < g_.n_atoms; ++atom) {
            uint64_t total = 0;  // atoms with the same edges may weigh them by different reaches
            for (int64_t edge = g_.starts[atom]; edge < g_.starts[atom + 1]; ++edge)
                total += static_cast<uint64_t>(step_of(g_.weight[edge], EQUAL_WEIGHT));
            const uint64_t number = static_cast<uint64_t>(g_.atomic_numbers[atom]);
            colour_[atom] = scrambled(number + ATOM_SALT) ^ scrambled(total);
        }
    }

    void refine(int64_t begin, int64_t end) {
        int64_t n_before = 0;
        while (true) {
            const int64_t n_classes = count_colours(begin, end);
            if (n_classes == n_before || n_classes == end - begin) return;
            n_before = n_classes;
            for (int64_t atom = begin; atom < end; ++atom) {
                uint64_t around = 0;
                for (int64_t edge = g_.starts[atom]; edge < g_.starts[atom + 1]; ++edge) {
                    const uint64_t length = scrambled(static_cast<uint64_t>(steps_[edge]) + LENGTH_SALT);
                    around += scrambled(colour_[g_.neighbour[edge]] ^ length);
                }
                fresh_[atom] = scrambled(colour_[atom] * 3 + around);
            }
            for (int64_t atom = begin; atom < end; ++atom) colour_[atom] = fresh_[atom];
        }
    }

    int64_t count_colours(int64_t begin, int64_t end) {
        const int64_t n = end - begin;
        for (int64_t i = 0; i < n; ++i) sorted_[i] = colour_[begin + i];
        std::sort(sorted_.data(), sorted_.data() + n, [](uint64_t one, uint64_t other) { return one < other; });
        int64_t n_colours = least(int64_t(1), n);
        for (int64_t i = 1; i < n; ++i) n_colours += sorted_[i] != sorted_[i - 1];
        return n_colours;
    }

    // Number the classes of a crystal by their first atoms.
    void number_classes(int64_t begin, int64_t end, Merged &merged) {
        const int64_t n = end - begin;
        const uint64_t *colour = colour_.data() + begin;
        int64_t *order = by_colour_.data();
        for (int64_t i = 0; i < n; ++i) order[i] = i;
        std::sort(order, order + n, [colour](int64_t i, int64_t j) {
            return colour[i] != colour[j] ? colour[i] < colour[j] : i < j;
        });
        for (int64_t i = 0; i < n; ++i) {
            const bool is_first = i == 0 || colour[order[i]] != colour[order[i - 1]];
            first_of_[order[i]] = is_first ? order[i] : first_of_[order[i - 1]];
        }
        for (int64_t i = 0; i < n; ++i) {
            if (first_of_[i] == i) {
                merged.firsts[merged.n_nodes] = begin + i;
                node_of_[begin + i] = merged.n_nodes++;
            } else {
                node_of_[begin + i] = node_of_[begin + first_of_[i]];
            }
            ++merged.sizes[node_of_[begin + i]];
        }
    }

    // Whether an edge is longer than another, or as long with a greater colour at its end.
    bool comes_later(int64_t edge, int64_t other) const {
        if (steps_[edge] != steps_[other]) return steps_[edge] > steps_[other];
        return colour_[g_.neighbour[edge]] > colour_[g_.neighbour[other]];
    }

    // By length and colour; by length they nearly are in order already.
    void sort_edges(int64_t first, int64_t last) {
        for (int64_t place = first; place < last; ++place) {
            int64_t hole = place;
            while (hole > first && comes_later(order_[hole - 1], place)) {
                order_[hole] = order_[hole - 1];
                --hole;
            }
            order_[hole] = place;
        }
    }

    // One edge for those that are alike: its length is the mean, its weight the sum of an atom's. Means
    // are over the class, so that they do not depend on which of its atoms is the first.
    void merge_edges(Merged &merged) {
        for (int64_t atom = 0; atom < g_.n_atoms; ++atom) sort_edges(g_.starts[atom], g_.starts[atom + 1]);
        for (int64_t edge = 0; edge < g_.n_edges; ++edge) lengths_[edge] = weights_[edge] = 0.0;
        // all atoms of a class have as many edges, which stand in one order: those that are alike meet
        for (int64_t atom = 0; atom < g_.n_atoms; ++atom) {
            const int64_t first = g_.starts[merged.firsts[node_of_[atom]]];
            const int64_t n_all = g_.starts[merged.firsts[node_of_[atom]] + 1] - first;
            const int64_t n = least(g_.starts[atom + 1] - g_.starts[atom], n_all);
            for (int64_t place = 0; place < n; ++place) {
                lengths_[first + place] += g_.distance[order_[g_.starts[atom] + place]];
                weights_[first + place] += g_.weight[order_[g_.starts[atom] + place]];
            }
        }
        int64_t n_kept = 0;
        for (int64_t node = 0; node < merged.n_nodes; ++node) {
            const int64_t atom = merged.firsts[node], size = merged.sizes[node], last = g_.starts[atom + 1];
            int64_t low = g_.starts[atom];
            while (low < last) {
                const int64_t edge = order_[low];
                const uint64_t end_colour = colour_[g_.neighbour[edge]];
                int64_t high = low;
                double length = 0.0, total = 0.0;
                while (high < last && steps_[order_[high]] == steps_[edge] &&
                       colour_[g_.neighbour[order_[high]]] == end_colour) {
                    length += lengths_[high];
                    total += weights_[high];
                    ++high;
                }
                merged.neighbour[n_kept] = node_of_[g_.neighbour[edge]];
                merged.source[n_kept] = edge;
                merged.distance[n_kept] = length / static_cast<double>(size * (high - low));
                merged.weight[n_kept] = total / static_cast<double>(size);
                ++merged.counts[node];
                ++n_kept;
                low = high;
            }
        }
        merged.n_edges = n_kept;
    }

    const Graph &g_;
    Array<int64_t> steps_, order_;
    Array<uint64_t> colour_, fresh_, sorted_;
    Array<int64_t> by_colour_, first_of_, node_of_;
    Array<double> lengths_, weights_;
};

}  // namespace

namespace LEVEL {

void deduplicate(const Graph &graph, Merged &merged) { Deduplication(graph).run(merged); }

}  // namespace LEVEL
}  // namespace xtalgraph
