"""q as a record: the distributions over latent variables that an E-step returns, written once for all families."""
