"""The contract: a zone is driven into the recorded situations and answers as the recorded zone did."""
