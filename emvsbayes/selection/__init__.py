"""How many components, and which structure: many fits of one data set in one table, and criteria that rank them.

`record` is the table as plain data, `choosing` fits it.
"""
