"""What a storefront profile may say, and what it means."""
