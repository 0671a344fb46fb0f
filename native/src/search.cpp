// The neighbour search: exact for any cell, linear in the number of atoms.
//
// For each crystal the lattice is first reduced (a skewed cell has the same neighbours as a compact
// one, and far fewer images to look at), atoms are wrapped into the reduced cell and sorted into bins
// about one search radius wide. Each atom then looks into the bins its sphere touches, images of the
// cell included. The radius begins at what the density suggests and grows until the last shell is
// whole. Images are reported for the lattice and the positions as they were given.
//
// Compiled without contraction of products and sums, so that equal distances have equal bits at every
// instruction level, and ties have one order.
#include <algorithm>

#include "shared.hpp"

namespace xtalgraph {
namespace {

constexpr double DEGENERATE = 0.2;   // Å; a shorter lattice vector has so many images that none are searched for
constexpr double ROUNDING = 1e-8;    // Å; a distance equal to the cutoff counts as within it
constexpr double LONGEST = 1e8;      // Å; of a component of a lattice vector
constexpr double FURTHEST = 1e6;     // of a fractional coordinate
constexpr double MOST_CELLS = 1e9;   // cells between a position and the reduced cell: more leave no digits
constexpr int64_t MOST_STEPS = int64_t(1) << 30;  // of an entry of the matrices of a reduction
constexpr double MOST_IMAGES = 4e6;  // atoms that are looked at around one atom
constexpr double MOST_EDGES = 2e8;   // of one crystal
constexpr int64_t FEW = 40;          // atoms; in cells of up to this many all pairs are looked at
constexpr int64_t COUNTED = 64;      // candidates; up to this many are sorted by counting

struct Candidate {
    int64_t atom, a, b, c;
};

INLINE double dot(const double *u, const double *v) {
    double sum = 0.0;
    for (int d = 0; d < 3; ++d) sum += u[d] * v[d];
    return sum;
}

INLINE bool is_too_large(const int64_t *matrix) {
    for (int i = 0; i < 9; ++i)
        if (matrix[i] > MOST_STEPS || matrix[i] < -MOST_STEPS) return true;
    return false;
}

// Subtract `steps` × vector j from vector i, and keep account of it.
INLINE void subtract(Lattice &l, int i, int j, int64_t steps) {
    for (int d = 0; d < 3; ++d) {
        l.reduced[3 * i + d] -= static_cast<double>(steps) * l.reduced[3 * j + d];
        l.forward[3 * i + d] -= steps * l.forward[3 * j + d];
        l.backward[3 * d + j] += steps * l.backward[3 * d + i];
    }
    l.is_as_given = false;
}

// Note the first vector that is shorter than `shortest`.
INLINE bool find_short_vector(Lattice &l, double shortest) {
    for (int d = 0; d < 3; ++d) {
        const double *v = l.reduced + 3 * d;
        const double length = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
        if (length < shortest) {
            l.short_vector = d;
            l.short_length = length;
            return true;
        }
    }
    return false;
}

// Shorten each vector by whole multiples of each other one.
INLINE void reduce_pairs(Lattice &l, double shortest) {
    for (int pass = 0; pass < 1000; ++pass) {
        bool changed = false;
        for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 3; ++j) {
                if (i == j) continue;
                const double overlap = dot(l.reduced + 3 * i, l.reduced + 3 * j);
                const double square = dot(l.reduced + 3 * j, l.reduced + 3 * j);
                const double steps = std::floor(overlap / square + 0.5);
                // exactly a half is left alone: both choices are equally short
                if (steps == 0.0 || std::fabs(overlap) <= 0.5 * square * (1.0 + 1e-9)) continue;
                changed = true;
                if (std::fabs(steps) > static_cast<double>(MOST_STEPS)) throw Refused{0, -1, Problem::TOO_SKEWED, 0.0};
                subtract(l, i, j, static_cast<int64_t>(steps));
                if (is_too_large(l.forward) || is_too_large(l.backward))
                    throw Refused{0, -1, Problem::TOO_SKEWED, 0.0};
                if (find_short_vector(l, shortest)) return;
            }
        if (!changed) return;
    }
    throw Refused{0, -1, Problem::TOO_SKEWED, 0.0};
}

// Shorten the longest vector by a sum or difference of the other two, which pairs do not see: without
// it a cell can be flat and yet have no pair to reduce (three vectors at 120°, nearly in a plane). It
// is done where it takes off 0.3 of the length. A smaller gain saves no images, and it would change
// the last digits of distances, by which the rule `nearest` takes one of several tied neighbours.
INLINE bool reduce_by_both(Lattice &l) {
    int longest = 0;
    for (int d = 1; d < 3; ++d)
        if (dot(l.reduced + 3 * d, l.reduced + 3 * d) > dot(l.reduced + 3 * longest, l.reduced + 3 * longest)) longest = d;
    const int i = (longest + 1) % 3, j = (longest + 2) % 3;
    const double *c = l.reduced + 3 * longest, *a = l.reduced + 3 * i, *b = l.reduced + 3 * j;
    const double square = dot(c, c);
    double smallest = 0.5 * square;
    int by_a = 0, by_b = 0;
    for (int s = -1; s <= 1; s += 2)
        for (int t = -1; t <= 1; t += 2) {
            const double v[3] = {c[0] - s * a[0] - t * b[0], c[1] - s * a[1] - t * b[1], c[2] - s * a[2] - t * b[2]};
            if (dot(v, v) < smallest) {
                smallest = dot(v, v);
                by_a = s;
                by_b = t;
            }
        }
    if (by_a == 0) return false;
    subtract(l, longest, i, by_a);
    subtract(l, longest, j, by_b);
    return true;
}

// Vectors that enclose no flat cell, so that a sphere touches few of its images however the lattice is
// described: those of Minkowski to within what `reduce_by_both` leaves.
// It ends early at a vector shorter than `shortest`: whoever looks for neighbours has found one.
INLINE void reduce(const double *lattice, double shortest, Lattice &l) {
    std::memcpy(l.reduced, lattice, sizeof l.reduced);
    std::memset(l.forward, 0, sizeof l.forward);
    std::memset(l.backward, 0, sizeof l.backward);
    for (int d = 0; d < 3; ++d) l.forward[4 * d] = l.backward[4 * d] = 1;
    l.is_as_given = true;
    l.short_vector = -1;
    l.short_length = 0.0;
    for (int d = 0; d < 9; ++d)
        if (!std::isfinite(lattice[d])) throw Refused{0, -1, Problem::NOT_FINITE, lattice[d]};
    if (find_short_vector(l, shortest)) return;
    for (int d = 0; d < 9; ++d)
        if (std::fabs(lattice[d]) > LONGEST) throw Refused{0, -1, Problem::TOO_LONG, LONGEST};
    for (int pass = 0; pass < 1000; ++pass) {
        reduce_pairs(l, shortest);
        if (l.short_vector >= 0 || !reduce_by_both(l)) return;
        if (find_short_vector(l, shortest)) return;
    }
    throw Refused{0, -1, Problem::TOO_SKEWED, 0.0};
}

// One crystal, ready to be searched.
class Cell {
  public:
    void take(const Store &store, int64_t crystal, double shortest) {
        crystal_ = crystal;
        n_atoms_ = store.offsets[crystal + 1] - store.offsets[crystal];
        try {
            reduce(store.lattices + 9 * crystal, shortest, lattice_);
        } catch (Refused &refused) {
            refused.crystal = crystal;
            throw;
        }
        if (lattice_.short_vector < 0) {
            measure();
            wrap(store.positions + 3 * store.offsets[crystal]);
        }
    }

    // Choose bins of about this width, not many more than there are atoms; few atoms need none.
    void make_bins(double width) {
        is_small_ = n_atoms_ <= FEW;
        if (is_small_) return;
        width = most(width, std::pow(volume_ / static_cast<double>(n_atoms_), 1.0 / 3.0));
        double bins[3];
        for (int d = 0; d < 3; ++d) {
            bins[d] = std::floor(most(1.0, least(spacings_[d] / width, static_cast<double>(n_atoms_))));
            n_bins_[d] = static_cast<int64_t>(bins[d]);
        }
        while (n_bins_[0] * n_bins_[1] * n_bins_[2] > 4 * n_atoms_ + 64) {  // of a flat cell
            int64_t *widest = n_bins_;
            for (int d = 1; d < 3; ++d)
                if (n_bins_[d] > *widest) widest = n_bins_ + d;
            *widest = (*widest + 1) / 2;
        }
        sort_into_bins();
    }

    // Refuse a sphere around an atom that holds absurdly many images, before they are counted.
    void require_few_images(double radius) const {
        double images = static_cast<double>(n_atoms_);
        for (double spacing : spacings_) images *= 2.0 * radius / spacing + 1.0;
        if (!(images <= MOST_IMAGES)) throw Refused{crystal_, -1, Problem::TOO_MANY, radius};
    }
    void require_few_edges(double radius) const {
        const double n = static_cast<double>(n_atoms_);
        if (!(4.19 * radius * radius * radius * n / volume_ * n <= MOST_EDGES))
            throw Refused{crystal_, -1, Problem::TOO_MANY, radius};
    }

    // Collect all images within `radius` of the atom `centre` and count them. Those for which there is
    // no room are only counted; with ONE it ends at the first.
    template <bool ONE>
    int64_t collect(int64_t centre, double radius, double *squares, Candidate *found, int64_t room) const {
        return is_small_ ? collect_among_few<ONE>(centre, radius, squares, found, room)
                         : collect_from_bins<ONE>(centre, radius, squares, found, room);
    }

    // Turn images of the reduced cell into those for the lattice and the positions as given.
    void restore_images(int64_t centre, int64_t n_found, Candidate *RESTRICT found) const {
        const int64_t *f = lattice_.forward, *own = cells_data() + 3 * centre;
        for (int64_t i = 0; i < n_found; ++i) {
            Candidate &one = found[i];
            const int64_t *other = cells_data() + 3 * one.atom;
            const int64_t a = one.a - other[0] + own[0], b = one.b - other[1] + own[1], c = one.c - other[2] + own[2];
            if (lattice_.is_as_given) {
                one.a = a;
                one.b = b;
                one.c = c;
            } else {
                one.a = a * f[0] + b * f[3] + c * f[6];
                one.b = a * f[1] + b * f[4] + c * f[7];
                one.c = a * f[2] + b * f[5] + c * f[8];
            }
        }
    }

    const Lattice &lattice() const { return lattice_; }
    int64_t n_atoms() const { return n_atoms_; }
    double volume() const { return volume_; }

  private:
    // Distances between opposite faces, and the volume.
    void measure() {
        const double *r = lattice_.reduced;
        for (int d = 0; d < 3; ++d) {
            const double *a = r + 3 * ((d + 1) % 3), *b = r + 3 * ((d + 2) % 3);
            const double x = a[1] * b[2] - a[2] * b[1], y = a[2] * b[0] - a[0] * b[2], z = a[0] * b[1] - a[1] * b[0];
            volume_ = std::fabs(r[3 * d] * x + r[3 * d + 1] * y + r[3 * d + 2] * z);
            spacings_[d] = volume_ / std::sqrt(x * x + y * y + z * z);
        }
    }

    // Put positions into the reduced cell, in [0, 1), and note the whole cells that were taken off.
    void wrap(const double *fractional) {
        wrapped_.reserve(3 * n_atoms_);
        cells_.reserve(3 * n_atoms_);
        const int64_t *b = lattice_.backward;
        for (int64_t atom = 0; atom < n_atoms_; ++atom) {
            const double *given = fractional + 3 * atom;
            for (int d = 0; d < 3; ++d)
                if (!(std::fabs(given[d]) <= FURTHEST)) throw Refused{crystal_, atom, Problem::FAR_POSITION, given[d]};
            for (int d = 0; d < 3; ++d) {
                double x = 0.0;
                for (int e = 0; e < 3; ++e) x += given[e] * static_cast<double>(b[3 * e + d]);
                double cell = std::floor(x);
                if (!(std::fabs(cell) <= MOST_CELLS)) throw Refused{crystal_, atom, Problem::TOO_SKEWED, 0.0};
                x -= cell;
                if (x >= 1.0) {  // -1e-17 is wrapped to 1.0 by rounding
                    x -= 1.0;
                    cell += 1.0;
                }
                wrapped_[3 * atom + d] = x;
                cells_[3 * atom + d] = static_cast<int64_t>(cell);
            }
        }
    }

    void sort_into_bins() {
        const int64_t n_all = n_bins_[0] * n_bins_[1] * n_bins_[2];
        starts_.zero(n_all + 1);
        fill_.reserve(n_all);
        bins_.reserve(n_atoms_);
        atoms_.reserve(n_atoms_);
        for (int64_t atom = 0; atom < n_atoms_; ++atom) {
            int64_t index = 0;
            for (int d = 0; d < 3; ++d) {
                const int64_t own = static_cast<int64_t>(wrapped_[3 * atom + d] * static_cast<double>(n_bins_[d]));
                index = index * n_bins_[d] + least(own, n_bins_[d] - 1);
            }
            bins_[atom] = index;
            ++starts_[index + 1];
        }
        for (int64_t index = 0; index < n_all; ++index) {
            fill_[index] = starts_[index];
            starts_[index + 1] += starts_[index];
        }
        for (int64_t atom = 0; atom < n_atoms_; ++atom) atoms_[fill_[bins_[atom]]++] = atom;
    }

    // For each atom look only at the images that can be near enough: the way for small cells.
    template <bool ONE>
    int64_t collect_among_few(int64_t centre, double radius, double *RESTRICT squares, Candidate *RESTRICT found,
                              int64_t room) const {
        int64_t n_found = 0;
        const double *r = lattice_.reduced, *wrapped = wrapped_data();
        const double limit = radius * radius;
        const double reach_a = radius / spacings_[0], reach_b = radius / spacings_[1], reach_c = radius / spacings_[2];
        for (int64_t atom = 0; atom < n_atoms_; ++atom) {
            const double start_a = wrapped[3 * atom] - wrapped[3 * centre];
            const double start_b = wrapped[3 * atom + 1] - wrapped[3 * centre + 1];
            const double start_c = wrapped[3 * atom + 2] - wrapped[3 * centre + 2];
            const int64_t low_a = up(-reach_a - start_a), high_a = down(reach_a - start_a);
            const int64_t low_b = up(-reach_b - start_b), high_b = down(reach_b - start_b);
            const int64_t low_c = up(-reach_c - start_c), high_c = down(reach_c - start_c);
            for (int64_t image_a = low_a; image_a <= high_a; ++image_a) {
                const double a = start_a + static_cast<double>(image_a);
                for (int64_t image_b = low_b; image_b <= high_b; ++image_b) {
                    const double b = start_b + static_cast<double>(image_b);
                    const double x_ab = a * r[0] + b * r[3], y_ab = a * r[1] + b * r[4], z_ab = a * r[2] + b * r[5];
                    for (int64_t image_c = low_c; image_c <= high_c; ++image_c) {
                        const double c = start_c + static_cast<double>(image_c);
                        const double x = x_ab + c * r[6], y = y_ab + c * r[7], z = z_ab + c * r[8];
                        const double square = x * x + y * y + z * z;
                        if (square > limit) continue;
                        if (atom == centre && image_a == 0 && image_b == 0 && image_c == 0) continue;
                        if (ONE) return 1;
                        if (n_found < room) {
                            squares[n_found] = square;
                            found[n_found] = {atom, image_a, image_b, image_c};
                        }
                        ++n_found;
                    }
                }
            }
        }
        return n_found;
    }

    // Look only into the bins that the sphere can touch: the way for large cells.
    template <bool ONE>
    int64_t collect_from_bins(int64_t centre, double radius, double *RESTRICT squares, Candidate *RESTRICT found,
                              int64_t room) const {
        int64_t n_found = 0, low[3], high[3];
        const double *r = lattice_.reduced, *wrapped = wrapped_data();
        const double limit = radius * radius;
        for (int d = 0; d < 3; ++d) {
            const double reach = radius / spacings_[d], n = static_cast<double>(n_bins_[d]);
            low[d] = down((wrapped[3 * centre + d] - reach) * n);
            high[d] = down((wrapped[3 * centre + d] + reach) * n);
        }
        for (int64_t bin_a = low[0]; bin_a <= high[0]; ++bin_a) {
            const int64_t image_a = floor_divide(bin_a, n_bins_[0]);
            const int64_t row_a = (bin_a - image_a * n_bins_[0]) * n_bins_[1];
            for (int64_t bin_b = low[1]; bin_b <= high[1]; ++bin_b) {
                const int64_t image_b = floor_divide(bin_b, n_bins_[1]);
                const int64_t row_b = (row_a + bin_b - image_b * n_bins_[1]) * n_bins_[2];
                for (int64_t bin_c = low[2]; bin_c <= high[2]; ++bin_c) {
                    const int64_t image_c = floor_divide(bin_c, n_bins_[2]);
                    const int64_t index = row_b + bin_c - image_c * n_bins_[2];
                    for (int64_t place = starts_[index]; place < starts_[index + 1]; ++place) {
                        const int64_t atom = atoms_[place];
                        const double a = wrapped[3 * atom] - wrapped[3 * centre] + static_cast<double>(image_a);
                        const double b = wrapped[3 * atom + 1] - wrapped[3 * centre + 1] + static_cast<double>(image_b);
                        const double c = wrapped[3 * atom + 2] - wrapped[3 * centre + 2] + static_cast<double>(image_c);
                        const double x = a * r[0] + b * r[3] + c * r[6];
                        const double y = a * r[1] + b * r[4] + c * r[7];
                        const double z = a * r[2] + b * r[5] + c * r[8];
                        const double square = x * x + y * y + z * z;
                        if (square > limit) continue;
                        if (atom == centre && image_a == 0 && image_b == 0 && image_c == 0) continue;
                        if (ONE) return 1;
                        if (n_found < room) {
                            squares[n_found] = square;
                            found[n_found] = {atom, image_a, image_b, image_c};
                        }
                        ++n_found;
                    }
                }
            }
        }
        return n_found;
    }

    static int64_t up(double x) { return static_cast<int64_t>(std::ceil(x)); }
    static int64_t down(double x) { return static_cast<int64_t>(std::floor(x)); }
    static int64_t floor_divide(int64_t a, int64_t b) {
        const int64_t quotient = a / b;
        return quotient - (a % b < 0 ? 1 : 0);
    }
    const double *wrapped_data() const { return wrapped_.data(); }
    const int64_t *cells_data() const { return cells_.data(); }

    Lattice lattice_;
    double spacings_[3] = {}, volume_ = 0.0;
    int64_t crystal_ = 0, n_atoms_ = 0, n_bins_[3] = {1, 1, 1};
    bool is_small_ = true;
    Array<double> wrapped_;
    Array<int64_t> cells_, starts_, bins_, fill_, atoms_;
};

INLINE bool comes_before(const Candidate &one, const Candidate &other) {
    if (one.atom != other.atom) return one.atom < other.atom;
    if (one.a != other.a) return one.a < other.a;
    if (one.b != other.b) return one.b < other.b;
    return one.c < other.c;
}

// Write the candidates' places and their distances, both sorted, into `order` and `lengths`.
//
// A few are ranked by counting how many are nearer, which has no branch to mispredict. Then equal
// distances are put in order of neighbour and image.
INLINE void sort_candidates(const double *RESTRICT squares, const Candidate *RESTRICT found, int64_t n,
                            double *RESTRICT lengths, int64_t *RESTRICT order) {
    if (n <= COUNTED) {
        for (int64_t i = 0; i < n; ++i) {
            const double square = squares[i];
            int64_t rank = 0;
            for (int64_t j = 0; j < n; ++j) rank += squares[j] < square;
            for (int64_t j = 0; j < i; ++j) rank += squares[j] == square;
            order[rank] = i;
        }
    } else {
        for (int64_t i = 0; i < n; ++i) order[i] = i;
        std::sort(order, order + n, [squares](int64_t i, int64_t j) { return squares[i] < squares[j]; });
    }
    for (int64_t place = 0; place < n; ++place) {
        const int64_t candidate = order[place];
        const double length = std::sqrt(squares[candidate]);
        int64_t hole = place;
        while (hole > 0 && length == lengths[hole - 1] && comes_before(found[candidate], found[order[hole - 1]])) {
            order[hole] = order[hole - 1];
            --hole;
        }
        lengths[place] = length;
        order[hole] = candidate;
    }
}

// How many of the sorted candidates the rule keeps.
INLINE int64_t count_kept(const Search &search, const double *lengths, int64_t n_found) {
    if (search.rule == RADIUS || n_found < search.n_neighbours) return n_found;
    int64_t n_kept = search.n_neighbours;
    if (search.rule == SHELL) {
        const double reach = lengths[search.n_neighbours - 1] + search.same_shell;
        while (n_kept < n_found && lengths[n_kept] <= reach) ++n_kept;
    }
    return n_kept;
}

class Finder {
  public:
    Finder(const Store &store, int64_t first, int64_t last, const Search &search, int64_t *counts)
        : store_(store), search_(search), first_atom_(store.offsets[first]), counts_(counts),
          furthest_(search.cutoff + ROUNDING) {
        const int64_t n_atoms = store.offsets[last] - first_atom_;
        make_room(n_atoms * (least(search.n_neighbours, int64_t(64)) + 6) + 64);
        make_room_for_candidates(128);
        for (int64_t crystal = first; crystal < last; ++crystal) find_in(crystal);
    }

    void give(Edges &edges) {
        edges.neighbours = neighbours_.release(n_edges_);
        edges.images = images_.release(3 * n_edges_);
        edges.distances = distances_.release(n_edges_);
        edges.n_edges = n_edges_;
    }

  private:
    void find_in(int64_t crystal) {
        cell_.take(store_, crystal, least(DEGENERATE, search_.cutoff));
        const int64_t begin = store_.offsets[crystal] - first_atom_, n_atoms = cell_.n_atoms();
        const Lattice &lattice = cell_.lattice();
        if (lattice.short_vector >= 0) {
            // an error of the source: only each atom's image along that vector is given
            const int64_t *image = lattice.forward + 3 * lattice.short_vector;
            make_room(n_edges_ + n_atoms);
            for (int64_t atom = begin; atom < begin + n_atoms; ++atom) {
                add(crystal, atom - begin, {atom, image[0], image[1], image[2]}, lattice.short_length);
                counts_[atom] = 1;
            }
            return;
        }
        const double density = static_cast<double>(n_atoms) / cell_.volume();
        double guess = furthest_;
        if (search_.rule == RADIUS)
            cell_.require_few_edges(guess);
        else  // of a sphere with so many atoms, and a tenth more
            guess = least(1.1 * std::pow(0.239 * static_cast<double>(search_.n_neighbours + 2) / density, 1.0 / 3.0), furthest_);
        cell_.make_bins(guess);
        cell_.require_few_images(guess);
        for (int64_t centre = 0; centre < n_atoms; ++centre) {
            const int64_t n_kept = choose(centre, guess);
            if (n_edges_ + n_kept > neighbours_.room()) make_room(2 * (n_edges_ + n_kept));
            for (int64_t place = 0; place < n_kept; ++place) {
                Candidate kept = found_[order_[place]];
                kept.atom += begin;
                add(crystal, centre, kept, lengths_[place]);
            }
            counts_[begin + centre] = n_kept;
        }
    }

    // Sort the candidates around an atom, and say how many of them are its neighbours.
    int64_t choose(int64_t centre, double radius) {
        const int64_t n_wanted = search_.n_neighbours;
        while (true) {
            const int64_t n_found =
                cell_.collect<false>(centre, radius, squares_.data(), found_.data(), squares_.room());
            if (n_found > squares_.room()) {
                make_room_for_candidates(2 * n_found);
                continue;
            }
            if (n_found < n_wanted && radius < furthest_) {
                radius = least(radius * 1.3, furthest_);
                cell_.require_few_images(radius);
                continue;
            }
            cell_.restore_images(centre, n_found, found_.data());
            sort_candidates(squares_.data(), found_.data(), n_found, lengths_.data(), order_.data());
            if (search_.rule == SHELL && n_found >= n_wanted && n_wanted > 0 && radius < furthest_) {
                const double reach = lengths_[n_wanted - 1] + search_.same_shell;
                if (reach > radius) {  // the last shell may go on outside the sphere
                    radius = least(reach, furthest_);
                    continue;
                }
            }
            return count_kept(search_, lengths_.data(), n_found);
        }
    }

    void add(int64_t crystal, int64_t site, const Candidate &edge, double length) {
        const int64_t image[3] = {edge.a, edge.b, edge.c};
        neighbours_[n_edges_] = edge.atom;
        distances_[n_edges_] = length;
        for (int d = 0; d < 3; ++d) {
            images_[3 * n_edges_ + d] = static_cast<int32_t>(image[d]);
            if (images_[3 * n_edges_ + d] != image[d]) throw Refused{crystal, site, Problem::FAR_IMAGE, 0.0};
        }
        ++n_edges_;
    }

    void make_room(int64_t n) {
        neighbours_.reserve(n);
        images_.reserve(3 * n);
        distances_.reserve(n);
    }
    void make_room_for_candidates(int64_t n) {
        squares_.reserve(n);
        lengths_.reserve(n);
        found_.reserve(n);
        order_.reserve(n);
    }

    const Store &store_;
    const Search &search_;
    int64_t first_atom_, n_edges_ = 0;
    int64_t *counts_;
    double furthest_;
    Cell cell_;
    Array<int64_t> neighbours_, order_;
    Array<int32_t> images_;
    Array<double> distances_, squares_, lengths_;
    Array<Candidate> found_;
};

}  // namespace

namespace LEVEL {

void find_neighbours(const Store &store, int64_t first, int64_t last, const Search &search, int64_t *counts,
                     Edges &edges) {
    Finder(store, first, last, search, counts).give(edges);
}

bool has_pair_within(const Store &store, double radius) {
    Cell cell;
    cell.take(store, 0, radius);
    if (cell.lattice().short_vector >= 0) return true;
    cell.make_bins(radius);
    cell.require_few_images(radius);
    for (int64_t centre = 0; centre < cell.n_atoms(); ++centre)
        if (cell.collect<true>(centre, radius, nullptr, nullptr, 0) > 0) return true;
    return false;
}

void reduce_lattice(const double *lattice, double shortest, Lattice &l) { reduce(lattice, shortest, l); }

// (1 - (r / d)⁶)² for the edges of each atom, where d is the distance of the next one, or the cutoff
// where there is none. Edges that weigh next to nothing are left out: the others move up.
int64_t weigh_smoothly(const Weighed &edges, int64_t *counts, int64_t n_atoms, int64_t n_neighbours, double cutoff) {
    constexpr double NEGLIGIBLE = 1e-6;
    int64_t edge = 0, n_kept = 0;
    for (int64_t atom = 0; atom < n_atoms; ++atom) {
        const int64_t last = edge + counts[atom], first_kept = n_kept;
        const double reach = counts[atom] > n_neighbours ? edges.distance[edge + n_neighbours] : cutoff;
        for (; edge < last; ++edge) {
            const double distance = edges.distance[edge];
            const double x = distance / reach, x2 = x * x, base = most(0.0, 1.0 - x2 * (x2 * x2));
            const double weight = base * base;
            if (!(weight > NEGLIGIBLE)) continue;
            edges.neighbour[n_kept] = edges.neighbour[edge];
            for (int d = 0; d < 3; ++d) edges.image[3 * n_kept + d] = edges.image[3 * edge + d];
            edges.distance[n_kept] = distance;
            edges.weight[n_kept] = weight;
            ++n_kept;
        }
        counts[atom] = n_kept - first_kept;
    }
    return n_kept;
}

}  // namespace LEVEL
}  // namespace xtalgraph
