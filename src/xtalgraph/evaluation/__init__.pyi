from .packing import (
    pack_ensemble as pack_ensemble,
)
from .run_report import (
    draw_evaluation as draw_evaluation,
    report_run as report_run,
)
from .scores import (
    Evaluation as Evaluation,
    evaluate as evaluate,
    score as score,
)
