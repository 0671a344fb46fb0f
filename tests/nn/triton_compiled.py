"""Compiles Triton's kernels for two cards, which need not be there, and says how large they became.

A process of its own, because Triton either interprets or compiles, for as long as it runs.
"""

import json

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from xtalgraph.nn.gated_sum import kernel, triton_kernel

TARGETS = {"sm_80": GPUTarget("cuda", 80, 32), "sm_90": GPUTarget("cuda", 90, 32)}
KERNELS = (
    "sum_arguments",
    "sum_gated",
    "sum_gate_derivatives",
    "spread_to_atoms",
    "spread_to_weight",
)
INTEGERS = {"centre", "neighbour", "first"}
LONG_INTEGERS = {"starts", "order"}
SIZES = {"half", "n_edges", "n_each", "n_gaussians"}
CONSTANTS = {
    "kind": kernel.SILU,
    "in_order": False,
    "block_edges": 16,
    "block_gaussians": 64,
}


def compile_kernel(name: str, parts: str, by_row: bool, width: int, target: GPUTarget) -> dict:
    """The intermediate codes of one kernel; raises what Triton finds wrong with it."""
    function = getattr(triton_kernel, name)
    constants = CONSTANTS | {"by_row": by_row, "block_width": width}
    signature = {}
    for argument in function.arg_names:
        if argument in constants:
            signature[argument] = "constexpr"
        elif argument in SIZES:
            signature[argument] = "i32"
        elif argument == "epsilon":
            signature[argument] = "fp32"
        else:
            type_of = {**dict.fromkeys(INTEGERS, "i32"), **dict.fromkeys(LONG_INTEGERS, "i64")}
            narrow = argument in ("from_centre", "from_neighbour", "d_sums")
            signature[argument] = "*" + type_of.get(argument, parts if narrow else "fp32")
    found = {key: value for key, value in constants.items() if key in signature}
    return triton.compile(ASTSource(function, signature, found), target=target).asm


if __name__ == "__main__":
    sizes = {
        f"{name} {card}": len(compile_kernel(name, parts, by_row, 64, TARGETS[card])["cubin"])
        for name in KERNELS
        for card, parts, by_row in (("sm_80", "fp32", True), ("sm_90", "bf16", False))
    }
    print(json.dumps(sizes))
