"""Charts: pure functions from rows to Bokeh figures."""
