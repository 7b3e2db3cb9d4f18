"""What has lived: records of evaluations and decisions, the journal, the lineage, the population folded from them."""
