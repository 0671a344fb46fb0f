from .contributions import (
    SiteContributions as SiteContributions,
    explain_sites as explain_sites,
)
from .element_figure import (
    draw_by_element as draw_by_element,
    mean_by_element as mean_by_element,
)
from .explanation import (
    Explanation as Explanation,
    explain as explain,
)
from .roles import (
    Roles as Roles,
    find_roles as find_roles,
)
from .structure_figure import (
    draw_structure as draw_structure,
)
