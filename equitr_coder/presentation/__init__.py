"""Values to text, shared by the front ends: pure, width-aware, plain by default. Knows the domain and nothing else."""
