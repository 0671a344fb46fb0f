from .operator import (
    Bonds as Bonds,
    gated_sum as gated_sum,
    select_backend as select_backend,
    sum_at_centres as sum_at_centres,
)
