"""What a model can do, one tool per file. Tools know domain and ports; permission is asked elsewhere."""
