"""Sales and farm figures: rollups, their charts, the live dashboard, recommendations and reports."""
