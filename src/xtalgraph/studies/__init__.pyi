from .comparison import (
    Comparison as Comparison,
    compare as compare,
)
from .crossval import (
    CrossValidation as CrossValidation,
    cross_validate as cross_validate,
)
from .curve import (
    LearningCurve as LearningCurve,
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
    Tuning as Tuning,
    tune as tune,
)
