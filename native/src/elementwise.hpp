// exp, log and the gate as plain arithmetic, which the compiler can do 8 or 16 at a time.
//
// exp and log are polynomials (Cephes), good to 2e-7; nan stays nan, also under the options that the
// sums are compiled with.
#pragma once
#include "shared.hpp"

namespace xtalgraph {
namespace {

// exp(x) for x in [-43, 43]; what is beyond is taken for the end, so that the product of two of these
// is still a number.
INLINE float exp_of(float x) {
    x = -43.0f > x ? -43.0f : x;  // in this order nan stays nan
    x = 43.0f < x ? 43.0f : x;
    // the nearest whole number k of x / ln 2 stands in the last bits of the sum; nan leaves any bits there
    const float sum = x * 1.44269504088896341f + 12582912.0f;  // 1.5 × 2^23
    uint32_t bits;
    std::memcpy(&bits, &sum, sizeof bits);
    const uint32_t whole = bits - 0x4B400000u;
    const float k = static_cast<float>(static_cast<int32_t>(whole));
    x = x - k * 0.693359375f + k * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * x + 1.3981999507e-3f;
    p = p * x + 8.3334519073e-3f;
    p = p * x + 4.1665795894e-2f;
    p = p * x + 1.6666665459e-1f;
    p = p * x + 5.0000001201e-1f;
    p = p * x * x + x + 1.0f;
    const uint32_t shifted = (whole + 127u) << 23;
    float power;
    std::memcpy(&power, &shifted, sizeof power);
    return p * power;
}

// log(1 + x) for x in [0, 1]: 2 artanh(x / (2 + x)), with a series that ends at 3e-8 there.
INLINE float log_of_one_plus(float x) {
    const float r = x / (2.0f + x), s = r * r;
    float p = 1.0f / 13.0f;
    p = p * s + 1.0f / 11.0f;
    p = p * s + 1.0f / 9.0f;
    p = p * s + 1.0f / 7.0f;
    p = p * s + 1.0f / 5.0f;
    p = p * s + 1.0f / 3.0f;
    p = p * s + 1.0f;
    return 2.0f * r * p;
}

INLINE float above_zero(float x) { return 0.0f > x ? 0.0f : x; }  // nan stays nan

struct Gated {
    float sigmoid, value, slope;  // σ(gate), g(message), g'(message)
};

// A caller that leaves the slope pays nothing for it.
template <int KIND> INLINE Gated gate_of(float gate, float message) {
    const float a = 1.0f + exp_of(-gate);
    if (KIND == SILU) {
        const float b = 1.0f + exp_of(-message);
        const float both = 1.0f / (a * b);  // σ(gate) σ(message): one division for the two
        const float s = both * a;
        return {both * b, message * s, s * (1.0f + message * (1.0f - s))};
    }
    if (KIND == SOFTPLUS) {
        const float e = exp_of(-std::fabs(message));
        const float s = 1.0f / (1.0f + e), other = e * s;
        return {1.0f / a, above_zero(message) + log_of_one_plus(e), message >= 0.0f ? s : other};
    }
    return {1.0f / a, above_zero(message), message > 0.0f ? 1.0f : 0.0f};
}

// A row of numbers in the nearest cache, aligned to its lines.
class Row {
  public:
    explicit Row(int64_t n) : room_(n + 16) {
        const uintptr_t address = reinterpret_cast<uintptr_t>(room_.data());
        data_ = room_.data() + ((64 - address % 64) % 64) / sizeof(float);
        std::memset(data_, 0, static_cast<size_t>(n) * sizeof(float));
    }
    float *data() { return data_; }

  private:
    Array<float> room_;
    float *data_;
};

// row = own + other + Σ near_k (row k of `bond`); gives the sum of squares, which costs nothing where
// it is left.
INLINE float fill_argument(float *RESTRICT row, const float *RESTRICT own, const float *RESTRICT other,
                           const float *RESTRICT bond, const float *RESTRICT near, int64_t n) {
    float square = 0.0f;
    const float w0 = near[0], w1 = near[1], w2 = near[2], w3 = near[3];
    const float w4 = near[4], w5 = near[5], w6 = near[6], w7 = near[7];
    const float *r0 = bond, *r1 = bond + n, *r2 = bond + 2 * n, *r3 = bond + 3 * n;
    const float *r4 = bond + 4 * n, *r5 = bond + 5 * n, *r6 = bond + 6 * n, *r7 = bond + 7 * n;
    for (int64_t c = 0; c < n; ++c) {
        float sum = w0 * r0[c] + w1 * r1[c] + w2 * r2[c] + w3 * r3[c];
        sum += w4 * r4[c] + w5 * r5[c] + w6 * r6[c] + w7 * r7[c];
        const float x = own[c] + other[c] + sum;
        row[c] = x;
        square += x * x;
    }
    return square;
}

INLINE void add_to(float *RESTRICT target, const float *RESTRICT row, int64_t n) {
    for (int64_t c = 0; c < n; ++c) target[c] += row[c];
}

// Add near_k times a row to row k of `target`.
INLINE void add_to_weight(float *RESTRICT target, const float *RESTRICT row, const float *RESTRICT near, int64_t n) {
    for (int64_t k = 0; k < N_NEAR; ++k) {
        const float value = near[k];
        float *RESTRICT own = target + k * n;
        for (int64_t c = 0; c < n; ++c) own[c] += value * row[c];
    }
}

}  // namespace
}  // namespace xtalgraph
