"""A zone asked and judged from outside, independent of the collection's own client and judge: a second opinion.

Its questions come from the lab's bridge, which is among the one_trusted_sources of the scenarios' inventories.
"""
