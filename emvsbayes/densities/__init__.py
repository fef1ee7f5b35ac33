"""Emission densities and prior densities as free functions: arrays in, arrays out, shared by families."""
