#pragma once
#include <vector>

#include "kernels.hpp"

namespace xtalgraph {

// The kernels that this processor can run, best first.
std::vector<const Kernels *> supported_levels();

}  // namespace xtalgraph
