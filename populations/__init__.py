"""What has lived: records, the journal, the lineage, and the population folded from them."""
