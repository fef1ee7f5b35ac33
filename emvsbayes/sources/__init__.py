"""Data larger than memory: rows that are read again for every pass of EM, a chunk at a time.

    reader   brings rows, as blocks of a table: a file, a memory map, an iterable of blocks (`blocks`, `npy`, `parquet`,
             `delimited`, `iterables`)
    survey   what the first pass finds out: how many rows, their weight and moments, a sample (`survey`)
    Source   both together: what the loop of `core.em` sweeps (`record`)

A new kind of storage is a new reader: two fields and one method.
"""
