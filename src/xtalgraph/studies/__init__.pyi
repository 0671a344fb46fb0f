from .comparison import (
    compare as compare,
)
from .crossval import (
    cross_validate as cross_validate,
)
from .curve import (
    learning_curve as learning_curve,
)
from .folds import (
    Fold as Fold,
    make_folds as make_folds,
)
from .leaderboard import (
    MatbenchResult as MatbenchResult,
    matbench as matbench,
)
from .results import (
    Comparison as Comparison,
    CrossValidation as CrossValidation,
    LearningCurve as LearningCurve,
    Tuning as Tuning,
)
from .search_space import (
    Choice as Choice,
    Range as Range,
    read_space as read_space,
)
from .trials import (
    Trial as Trial,
    TrialResult as TrialResult,
)
from .tuning import (
    tune as tune,
)
