"""Screening: from candidates by the million to a short list of crystals worth making."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
