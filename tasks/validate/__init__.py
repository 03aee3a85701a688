"""`validate`: the shards are checked against declared expectations, and passed on if they meet them."""
