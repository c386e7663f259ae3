"""What the figures mean, as plain values: periods, groupings, formulas; knows no database."""
