"""Settings shared by every test; the cases and helpers of the contract are in `cases`."""

from hypothesis import settings

settings.register_profile("deterministic", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("deterministic")
