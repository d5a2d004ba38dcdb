"""Every provider whose wire we do not speak ourselves, through litellm. The only package that imports it."""
