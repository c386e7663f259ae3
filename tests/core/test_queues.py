"""The doorbell runs registered names only, and a Redis that is away stops nobody."""
