"""One module a question. `draw` takes a sub-record and returns an inline SVG; `caption` says what to see in it."""
