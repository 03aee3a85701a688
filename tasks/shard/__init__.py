"""`shard`: documents become train, valid and test shards; no cluster lies on two sides."""
