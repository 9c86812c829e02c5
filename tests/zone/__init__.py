"""A zone asked and judged from outside, independent of the collection's own client and judge: a second opinion."""
