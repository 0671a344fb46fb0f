from . import figures as figures
from .page import (
    Picture as Picture,
    Report as Report,
    Section as Section,
    Table as Table,
    write_report as write_report,
)
