// What the sources of kernels have in common; everything here has internal linkage (see kernels.hpp).
#pragma once
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

#include "kernels.hpp"

#if defined(_MSC_VER) && !defined(__clang__)
#define INLINE static __forceinline
#define RESTRICT __restrict
#else
#define INLINE static inline __attribute__((always_inline))
#define RESTRICT __restrict__
#endif

namespace xtalgraph {
namespace {

template <class T> INLINE T least(T a, T b) { return b < a ? b : a; }
template <class T> INLINE T most(T a, T b) { return a < b ? b : a; }

// An array on the heap that grows and keeps what it has; its numbers are not set.
template <class T> class Array {
  public:
    Array() = default;
    explicit Array(int64_t n) { reserve(n); }
    Array(const Array &) = delete;
    Array &operator=(const Array &) = delete;
    ~Array() { std::free(data_); }
    void reserve(int64_t n) {
        if (n <= room_) return;
        void *larger = std::realloc(data_, static_cast<size_t>(n) * sizeof(T));
        if (larger == nullptr) throw std::bad_alloc();
        data_ = static_cast<T *>(larger);
        room_ = n;
    }
    void zero(int64_t n) {
        reserve(n);
        if (n > 0) std::memset(data_, 0, static_cast<size_t>(n) * sizeof(T));
    }
    T *release(int64_t n) {  // for the caller to free; no longer than needed
        void *own = std::realloc(data_, static_cast<size_t>(n > 0 ? n : 1) * sizeof(T));
        if (own == nullptr) throw std::bad_alloc();
        data_ = nullptr;
        room_ = 0;
        return static_cast<T *>(own);
    }
    int64_t room() const { return room_; }
    T *data() { return data_; }
    const T *data() const { return data_; }
    T &operator[](int64_t i) { return data_[i]; }
    const T &operator[](int64_t i) const { return data_[i]; }

  private:
    T *data_ = nullptr;
    int64_t room_ = 0;
};

}  // namespace
}  // namespace xtalgraph
