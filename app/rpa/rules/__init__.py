"""What the farm decides, with plain values: no statement is sent from here."""
