"""The data of a run: records, the journal, the lineage, and the population folded from them."""
