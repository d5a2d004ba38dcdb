"""Prices of models: what the configuration says, else the data file that litellm ships (read, never imported)."""

from equitr_coder.adapters.prices.data_file import DataFile, DataFilePrices

__all__ = ["DataFile", "DataFilePrices"]
