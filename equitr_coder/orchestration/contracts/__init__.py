"""Contracts: what an artifact promises, compared with the files that really came. Pure: texts in, a finding out."""
