"""Where provider keys are found."""
