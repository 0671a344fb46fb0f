from .operator import (
    Backend as Backend,
    Bonds as Bonds,
    gated_sum as gated_sum,
    sum_at_centres as sum_at_centres,
)
