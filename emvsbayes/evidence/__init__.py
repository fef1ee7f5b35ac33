"""The log evidence ln p(X) of a model, from several sources that need not agree: one table, one scale."""
