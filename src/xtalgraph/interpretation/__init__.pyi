from .contributions import (
    SiteContributions as SiteContributions,
    explain_sites as explain_sites,
)
from .explanation import (
    Explanation as Explanation,
    explain as explain,
)
from .figures import (
    draw_by_element as draw_by_element,
    draw_structure as draw_structure,
    mean_by_element as mean_by_element,
)
from .roles import (
    Roles as Roles,
    find_roles as find_roles,
)
