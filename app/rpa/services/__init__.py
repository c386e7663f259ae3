"""Writes of the farm, by what they serve: storefronts, jobs, and the task protocol (release, lease, record)."""
