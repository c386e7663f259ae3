"""Charts: pure functions from rows to Bokeh figures; ``chart_item`` makes of a figure what the browser draws.

Bokeh is imported when the first chart is drawn, not before: it costs a second and 50 MB.
"""
