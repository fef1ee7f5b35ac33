"""Data larger than memory: rows that are read again for every pass of EM, a chunk at a time.

    opening       from what a user gives to a reader; when rows are read a chunk at a time at all
    blocks        what a reader is: it brings rows as blocks of a table; labels and weights beside them
      npy           .npy files and memory maps
      parquet       .parquet files
      delimited     .csv files
      iterables     functions and objects that bring blocks
    survey        what the first pass finds out: how many rows, their weight and moments, a sample
    record        Source, a reader and its survey: what the loop of `core.em` sweeps
    note          what the summary of a fit tells of it

A new kind of storage is a new reader (two fields, one method), and a line in `opening`.
"""
