"""The only wiring: reads the settings, puts the parts together and gives the one door to them. Decides nothing else."""

from equitr_coder.app.door import open_api
from equitr_coder.app.overrides import Overrides

__all__ = ["Overrides", "open_api"]
